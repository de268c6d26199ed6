import { incoming } from '../notify.js';
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
import { Own } from './own.js';
import { People } from './people.js';
import { Profile } from './profile.js';
import { Reset } from './reset.js';
import { Settings } from './settings.js';
import { Shortcuts } from './shortcuts.js';
import { Successor } from './successor.js';

/** What isn't needed to read and write: it comes after all else, so that the page is there sooner. */
export const later = {
  Admin,
  AskNotify,
  Behind,
  Channels,
  Closed,
  Completion,
  Contacts,
  Devices,
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
  Profile,
  ReadBy,
  Receipts,
  Reset,
  Settings,
  Shortcuts,
  Successor,
  incoming,
};
