// Node 20 reads no TypeScript: the tests and all threads that they start read it through this.
import { register } from 'node:module';

register('./typescript-hooks.mjs', import.meta.url);
