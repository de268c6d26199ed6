import { Admin } from './admin.js';
import { Contacts } from './contacts.js';
import { Devices } from './devices.js';
import { FactorDialog, FactorPage } from './factor.js';
import { Channels } from './groups/channels.js';
import { GroupInfo } from './groups/info.js';
import { NewGroup } from './groups/new.js';
import { Receipts } from './groups/receipts.js';
import { Menu } from './menu.js';
import { People } from './people.js';
import { Profile } from './profile.js';
import { Reset } from './reset.js';
import { Settings } from './settings.js';
import { Shortcuts } from './shortcuts.js';

/** What isn't needed to read and write: it comes after all else, so that the page is there sooner. */
export const later = {
  Admin,
  Channels,
  Contacts,
  Devices,
  FactorDialog,
  FactorPage,
  GroupInfo,
  Menu,
  NewGroup,
  People,
  Profile,
  Receipts,
  Reset,
  Settings,
  Shortcuts,
};
