/** The bounds of what waits or is kept. `welcome` carries those that both sides of a socket must know. */
export const LIMITS = {
  /** Bytes of one frame of the extended protocol, and of any frame before the protocol's own limit is checked. */
  frameBytes: 65_536,
  /** Bytes (UTF-8) of a message's content. */
  contentBytes: 16_384,
  /** Messages that may be written to a connection before the client confirms any. */
  unconfirmedMessages: 1000,
  /** The same in bytes of frames. */
  unconfirmedBytes: 262_144,
  /** Positions in one `sync` frame; more go into further frames. */
  syncPositions: 1000,
  /** People whose presence one connection may watch. */
  watchedUsers: 500,
  /** Members of a conversation up to which each is told live how far the others are, and that they type. */
  toldMembers: 32,
  /** Connections of one user to one instance; past them the one that has been silent longest is closed. */
  userDevices: 40,
  /** Sessions of one user; past them the one that was seen longest ago ends. */
  userSessions: 200,
  /** Recovery codes that a second factor comes with. */
  recoveryCodes: 10,
  /** Characters of a device's name. */
  deviceName: 200,
  /** Contacts of one user, people whom one user asks and who haven't answered, and whom one user blocks. */
  contacts: 2000,
  contactRequests: 200,
  blocked: 1000,
  /** Bytes that may wait unread in a connection's socket before it counts as behind, and nothing more is read from it. */
  bufferBytes: 262_144,
  /** Frames of a client that wait while an earlier one is handled, and their bytes; past them its socket isn't read. */
  inboxFrames: 64,
  inboxBytes: 65_536,
  /** Bytes of messages that are kept for a client while one before them is missing. */
  heldBytes: 262_144,
  /** Pieces that a client's message may come in: frames, and packets while a frame isn't whole. */
  messageFragments: 256,
  messageChunks: 2048,
  /** Bytes of messages that wait to be stored; past them a send is refused, retryable. */
  waitingBytes: 67_108_864,
  /** Bytes of who is in conversations of many, in each of two generations. */
  rosterBytes: 8_388_608,
  /** Bytes of messages on their way to other instances; the log has those that are dropped. */
  remoteBytes: 16_777_216,
} as const;

/**
 * How often, where `LIMITS` is on. Waits at the doors are by account and by address, all else is by user; each instance counts what
 * it meets itself, but for failures at the doors, of which instances tell each other.
 */
export const RATES = {
  /** Failures that are free, of an account and of an address, in so many milliseconds: defaults of settings. */
  accountFailures: 5,
  addressFailures: 20,
  failuresMs: 600_000,
  /** Milliseconds before the first try that isn't free; each failure more doubles that, up to the second. */
  firstWaitMs: 1000,
  longestWaitMs: 60_000,
  /** Counts of accounts and addresses that are kept, in each of two generations. */
  countedFailures: 50_000,
  /** Messages a second of a user, by default, and their bytes. */
  sends: 20,
  sendBytes: 262_144,
  /** Requests a second of a user for what the database has: searches, lists, history. */
  questions: 20,
  /** Frames a second of a connection, and their bytes: past them it is read more slowly. */
  frames: 500,
  frameBytes: 1_048_576,
  /** Milliseconds' worth of all these that may come at once. */
  burstMs: 10_000,
  /** Users whose rates are kept, in each of two generations. */
  countedUsers: 50_000,
} as const;

/** Bounds of TCP connections and of HTTP on them; a WebSocket has its own above. Times are in milliseconds. */
export const HTTP = {
  /** Bytes of a body. */
  bodyBytes: 65_536,
  /** Requests that wait parsed on a connection while one before them is answered. */
  waitingRequests: 16,
  /** The same in bytes of their heads: past it no further one may wait. */
  waitingBytes: 65_536,
  /** For the head of a request to arrive, and for all of it. */
  headersMs: 10_000,
  requestMs: 30_000,
  /** That an idle connection is kept: longer than a proxy keeps it. */
  keepAliveMs: 75_000,
  /** That a connection which never showed a token may be idle. Past it since accept, its next answer is its last. */
  tokenMs: 10_000,
  /** For an answer to be read, once it is whole. */
  answerMs: 30_000,
  /** For a client to hang up after its last answer. */
  farewellMs: 2000,
  /** Connections of an address that have shown no token, those aside that are younger than `graceMs`. */
  anonymousPerAddress: 200,
  graceMs: 1000,
  /** Connections of a user, WebSockets among them. */
  perUser: 50,
  /** Passwords that wait to be hashed; past it a login is told to come back. */
  waitingPasswords: 64,
  /** Descriptors that are kept free for everything that is no client. */
  reservedDescriptors: 64,
  /** Connections beyond the last that are told so at one time; the next are cut without a word. */
  refusals: 32,
} as const;

/** Bounds of groups and channels. */
export const GROUPS = {
  /** People who are added at one time. */
  addedAtOnce: 100,
  /** Members of a group, and of a channel. */
  members: 1024,
  channelMembers: 100_000,
  /** That a user may have made. */
  made: 500,
  /** Characters of a title, and of a topic. */
  title: 128,
  topic: 250,
  /** Messages that a client may lack of one and is still given; past them it stands at the last ones, and reads the rest over HTTP. */
  behind: 1000,
  /** Messages that it is given there. */
  lastPage: 50,
  /** Members up to which everybody is given everything. Past them, and in channels, who says what is on their screen is given that alone. */
  parked: 256,
  /** Conversations that may be on a screen at one time. */
  open: 16,
  /** People whom a message mentions. */
  mentions: 50,
  /** Members up to which whoever may write mentions all; past them moderators and owners do. */
  mentionAll: 256,
} as const;

/** Bounds of what users set for themselves. */
export const OWN = {
  /** Conversations that one user has pinned. */
  pinned: 50,
} as const;

/** Bounds of messages that change. */
export const CHANGES = {
  /** Kinds of reactions to one message. */
  kinds: 20,
  /** People who are named of one kind; all are counted. */
  named: 256,
  /** UTF-16 units of an emoji: the longest are flags of regions and families. */
  emoji: 40,
  /** Messages that are pinned in a conversation, and that one has saved. */
  pins: 100,
  saved: 5000,
  /** Milliseconds from one telling of a conversation's changes to the next: what comes between is told together. */
  gatherMs: 250,
  /** Changes of a conversation that are looked at together for one who was away. */
  walk: 10_000,
} as const;

/** Bounds of searches. */
export const SEARCH = {
  /** Characters of what is searched for, and words in it. */
  query: 256,
  words: 16,
  /** What one answer reads at most, and then says where it goes on: blocks of 16 messages that are looked at, those whose texts are read, characters of these, and milliseconds. */
  blocks: 100_000,
  texts: 1000,
  characters: 2_097_152,
  milliseconds: 75,
  /** Characters that are shown of a message, and places in it that are marked. */
  excerpt: 240,
  marks: 32,
  /** People and conversations that are found by their names, and titles that are looked at. */
  people: 10,
  conversations: 10,
  titles: 2000,
} as const;

/** Bounds of accounts. */
export const ACCOUNTS = {
  /** Invites that are open at one time. */
  openInvites: 500,
  /** Uses of one invite, and hours that it is open. */
  inviteUses: 1000,
  inviteHours: 8760,
  /** Hours that a link is good that sets a password, or opens an empty installation. */
  linkHours: 24,
  /** Characters of a notice on every page. */
  notice: 500,
  /** Messages of somebody who is gone that are emptied by one statement. */
  erasedAtOnce: 1000,
} as const;
