import { signal } from '@preact/signals';
import { CLOSE } from '../../schemas/close.js';
import type { ExtendedClient, ExtendedFrame } from '../../schemas/frames.js';
import { ApiError } from './api.js';
import { backoff } from './backoff.js';
import { randomId } from './id.js';

/** What is known of the line to the server. `waiting` says when the next try begins. */
export type Link =
  | { state: 'connecting' }
  | { state: 'syncing' }
  | { state: 'online' }
  | { state: 'waiting'; until: number }
  | { state: 'replaced' }
  | { state: 'expired' }
  | { state: 'refused' }
  | { state: 'stopped' };

export type ClientFrame = ExtendedClient[keyof ExtendedClient];

interface Options {
  /** @param refused the token that a socket was closed for: another one is needed */
  token: (refused?: string) => Promise<string>;
  /** `opened`: the first frame of a new socket. */
  onFrame: (frame: ExtendedFrame) => void;
  onClosed: () => void;
  /** Asks over HTTP why a socket was refused, since a browser doesn't say: whether the token is to blame. */
  tokenRefused: () => Promise<boolean>;
}

const openWithin = 12_000;
const answerWithin = 3_000;
/** Heard of that recently, a socket needs no probe. */
const fresh = 1_000;

export function createSocket({ token, onFrame, onClosed, tokenRefused }: Options) {
  const link = signal<Link>({ state: 'stopped' });
  let socket: WebSocket | null = null;
  let attempt = 0;
  /** Grows with each try and its end, so that a token that comes late opens nothing. */
  let tries = 0;
  /** The token that the last socket was closed for. */
  let refused: string | undefined;
  let heard = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let probe: ReturnType<typeof setTimeout> | undefined;

  function connect(): void {
    drop();
    link.value = { state: 'connecting' };
    const mine = ++tries;
    token(refused).then(
      (fresh) => mine === tries && open(fresh),
      (error) => {
        if (mine !== tries) return;
        if (error instanceof ApiError && error.code === 'unauthorized') link.value = { state: 'expired' };
        else wait();
      },
    );
  }

  function open(shown: string): void {
    const address = `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}/ws`;
    const opening = new WebSocket(address, ['chat.v2', `bearer.${shown}`]);
    socket = opening;
    let welcomed = false;
    timer = setTimeout(() => ended(opening, 0, welcomed), openWithin);
    opening.onmessage = (event) => {
      if (socket !== opening) return;
      heard = Date.now();
      clearTimeout(probe);
      probe = undefined;
      const frame: ExtendedFrame = JSON.parse(event.data);
      if (frame.type === 'welcome') {
        welcomed = true;
        clearTimeout(timer);
        link.value = { state: 'syncing' };
      }
      onFrame(frame);
    };
    opening.onclose = (event) => {
      if (event.code === CLOSE.expired.code) refused = shown;
      ended(opening, event.code, welcomed);
    };
  }

  /** Lets a socket go without waiting for its close: a dead one would take minutes. */
  function drop(): void {
    clearTimeout(timer);
    clearTimeout(probe);
    probe = undefined;
    tries++;
    const old = socket;
    socket = null;
    if (!old) return;
    old.onmessage = null;
    old.onclose = null;
    old.close();
    onClosed();
  }

  function ended(which: WebSocket, code: number, welcomed: boolean): void {
    if (socket !== which) return;
    drop();
    switch (code) {
      case CLOSE.replaced.code:
        link.value = { state: 'replaced' };
        return;
      case CLOSE.expired.code:
        // Whether another token is to be had decides.
        if (welcomed) connect();
        else wait();
        return;
      case CLOSE.abuse.code:
        link.value = { state: 'refused' };
        return;
    }
    wait();
    if (!welcomed) void askWhy();
  }

  function wait(): void {
    const pause = backoff(attempt++);
    link.value = { state: 'waiting', until: Date.now() + pause };
    timer = setTimeout(connect, pause);
  }

  async function askWhy(): Promise<void> {
    const refused = await tokenRefused();
    if (!refused || link.value.state !== 'waiting') return;
    clearTimeout(timer);
    link.value = { state: 'expired' };
  }

  /** A page that slept, or a network that came back, doesn't trust its socket. */
  function wake(): void {
    const { state } = link.value;
    if (state === 'waiting') {
      attempt = 0;
      connect();
    } else if ((state === 'online' || state === 'syncing') && Date.now() - heard > fresh) check();
  }

  function check(): void {
    if (probe !== undefined || !socket) return;
    probe = setTimeout(() => {
      probe = undefined;
      connect();
    }, answerWithin);
    send({ type: 'ping', id: randomId() });
  }

  function send(frame: ClientFrame): boolean {
    if (socket?.readyState !== WebSocket.OPEN) return false;
    socket.send(JSON.stringify(frame));
    return true;
  }

  const onVisible = () => document.visibilityState === 'visible' && wake();
  addEventListener('online', wake);
  addEventListener('offline', check);
  addEventListener('pageshow', wake);
  document.addEventListener('visibilitychange', onVisible);

  return {
    link,
    send,
    check,
    connect,
    /** Whoever is there doesn't do what is asked: another try, later. */
    giveUp(): void {
      if (!socket) return;
      drop();
      wait();
    },
    synced(): void {
      attempt = 0;
      link.value = { state: 'online' };
    },
    /** The token is refused: nothing more until `connect`. */
    expire(): void {
      drop();
      link.value = { state: 'expired' };
    },
    /** For good. */
    stop(): void {
      drop();
      link.value = { state: 'stopped' };
      removeEventListener('online', wake);
      removeEventListener('offline', check);
      removeEventListener('pageshow', wake);
      document.removeEventListener('visibilitychange', onVisible);
    },
  };
}
