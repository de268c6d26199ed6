import { follow } from '../linked.js';
import { altering, incoming } from '../notify.js';
import { Admin } from './admin.js';
import { AskNotify, Behind } from './behind.js';
import { Closed, Nobody } from './closed.js';
import { Contacts } from './contacts.js';
import { Devices } from './devices.js';
import { FactorDialog, FactorPage } from './factor.js';
import { Channels } from './groups/channels.js';
import { Completion } from './groups/completion.js';
import { Everybody } from './groups/everybody.js';
import { GroupInfo } from './groups/info.js';
import { Jumps } from './groups/jumps.js';
import { NewGroup } from './groups/new.js';
import { ReadBy } from './groups/read-by.js';
import { Receipts } from './groups/receipts.js';
import { Menu } from './menu.js';
import { Answering } from './messages/answering.js';
import { Beneath } from './messages/beneath.js';
import { Deletion } from './messages/deletion.js';
import { EmojiPicker } from './messages/emoji-picker.js';
import { PinBar, Pins } from './messages/pins.js';
import { Quote } from './messages/quote.js';
import { Reactors } from './messages/reactors.js';
import { Replies } from './messages/replies.js';
import { Saved } from './messages/saved.js';
import { Selecting } from './messages/selecting.js';
import { Own } from './own.js';
import { People } from './people.js';
import { Profile } from './profile.js';
import { Reset } from './reset.js';
import { Search } from './search/search.js';
import { Settings } from './settings.js';
import { Shortcuts } from './shortcuts.js';
import { Successor } from './successor.js';

/** What isn't needed to read and write: it comes after all else, so that the page is there sooner. */
export const later = {
  Admin,
  Answering,
  AskNotify,
  Behind,
  Beneath,
  Channels,
  Closed,
  Completion,
  Contacts,
  Deletion,
  Devices,
  EmojiPicker,
  Everybody,
  FactorDialog,
  FactorPage,
  GroupInfo,
  Jumps,
  Menu,
  NewGroup,
  Nobody,
  Own,
  People,
  PinBar,
  Pins,
  Profile,
  Quote,
  Reactors,
  ReadBy,
  Receipts,
  Replies,
  Reset,
  Saved,
  Search,
  Selecting,
  Settings,
  Shortcuts,
  Successor,
  altering,
  follow,
  incoming,
};
