// Refuses calls and styles that a promised browser doesn't know: `node static/check.mjs`. Calls are found by their types,
// so that `list.toSorted()` is told from a method of our own; what each browser knows since when is in `web-features`.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as css from 'css-tree';
import ts from 'typescript';
import { features } from 'web-features';
import { targets } from './browsers.mjs';

/** Newer, and used where it is known: without it something is less fine, and nothing is missing. */
const optional = new Set([
  'api.AudioParam.exponentialRampToValueAtTime', // a sound that fades in steps is a sound
  'api.Notification', // asked for before it is used
  'api.KeyboardEvent.isComposing', // Safari's comes too late, so that the key code is asked for, too
  'api.IDBFactory.databases', // asked for before it is called
  'javascript.builtins.Intl.Segmenter', // asked for before it is used
  'css.properties.content-visibility', // saves work
  'css.properties.cursor', // phones have none
  'css.properties.font-family.ui-monospace', // others follow it
  'css.properties.forced-color-adjust', // where no colours are forced there is nothing to adjust
  'css.properties.field-sizing', // a twin of the text does the same
  'css.properties.overflow-anchor', // who doesn't know it has no anchors to turn off
  'css.properties.overscroll-behavior', // the page beneath moves along
  'css.properties.resize', // phones have no handle
  'css.properties.scrollbar-gutter', // the text moves a little when a scroll bar comes
  'css.properties.text-size-adjust', // phones only
  'css.properties.user-select', // Safari knows it by another name; more is selected
]);

/** The same browser on phones. */
const alike = {
  chrome: ['chrome', 'chrome_android'],
  firefox: ['firefox', 'firefox_android'],
  ios: ['safari_ios'],
};
const promised = targets.flatMap((target) => {
  const [, name, version] = /^([a-z]+)([\d.]+)$/.exec(target) ?? [];
  return (alike[name] ?? [name]).map((browser) => [browser, version]);
});

/** Since when each browser knows something, by its name in the data. */
const support = new Map();
for (const { status } of Object.values(features)) {
  for (const [key, { support: since }] of Object.entries(status?.by_compat_key ?? {}))
    support.set(key, since);
}

/** @returns {string | undefined} what is wrong with using it, in words */
function problem(key) {
  const since = support.get(key);
  if (!since || [...optional].some((name) => key === name || key.startsWith(`${name}.`))) return undefined;
  const missing = promised.filter(([browser, version]) => !since[browser] || later(since[browser], version));
  if (missing.length === 0) return undefined;
  const whom = missing.map(
    ([browser]) => `${browser} ${since[browser] ? `knows it since ${since[browser]}` : 'never'}`,
  );
  return `${key}: ${whom.join(', ')}`;
}

const later = (one, two) => one.replace('≤', '').localeCompare(two, 'en', { numeric: true }) > 0;

/** Interfaces that others mix in, with one that has them. */
const mixedIn = {
  ParentNode: 'Element',
  ChildNode: 'Element',
  WindowOrWorkerGlobalScope: 'Window',
  Body: 'Response',
};

function keysOf(type, member) {
  const owner = mixedIn[type] ?? type.replace(/Constructor$/, '').replace(/^Readonly(?=Array|Map|Set)/, '');
  return [
    `javascript.builtins.${owner}.${member}`,
    `javascript.builtins.Intl.${owner}.${member}`,
    `api.${owner}.${member}`,
    `api.${owner}.${member}_static`,
  ];
}

/** The interface that has it; `AbortSignal` for its static ones, which are declared as those of a variable. */
function ownerOf({ parent }) {
  if (ts.isInterfaceDeclaration(parent)) return parent.name.text;
  return ts.isTypeLiteralNode(parent) && ts.isVariableDeclaration(parent.parent)
    ? parent.parent.name.text
    : undefined;
}

/**
 * @param {string} config a tsconfig.json
 * @returns {string[]} each with file and line
 */
export function newerCalls(config) {
  const { config: read } = ts.readConfigFile(config, ts.sys.readFile);
  const { fileNames, options } = ts.parseJsonConfigFileContent(read, ts.sys, join(config, '..'));
  const program = ts.createProgram(fileNames, options);
  const checker = program.getTypeChecker();
  const found = [];
  for (const file of program.getSourceFiles()) {
    if (file.isDeclarationFile || file.fileName.includes('/node_modules/')) continue;
    const visit = (node) => {
      if (ts.isIdentifier(node)) look(node);
      ts.forEachChild(node, visit);
    };
    const look = (node) => {
      const declared = checker.getSymbolAtLocation(node)?.declarations?.[0];
      if (!declared || !/\/lib\.[^/]*\.d\.ts$/.test(declared.getSourceFile().fileName)) return;
      const owner = ownerOf(declared);
      const name = node.text;
      const keys = owner
        ? keysOf(owner, name)
        : [
            `javascript.builtins.${name}`,
            `javascript.builtins.Intl.${name}`,
            `api.${name}`,
            `api.Window.${name}`,
          ];
      const wrong = keys.map(problem).find(Boolean);
      const { line } = file.getLineAndCharacterOfPosition(node.getStart());
      if (wrong) found.push(`${file.fileName}:${line + 1}: ${wrong}`);
    };
    visit(file);
  }
  return found;
}

/** Functions and units by their own names: the data has them below the types that they belong to. */
const types = new Map();
for (const key of support.keys()) if (key.startsWith('css.types.')) types.set(key.split('.').at(-1), key);

/**
 * @param {string} folder of style sheets
 * @returns {string[]} each with file and line
 */
export function newerStyles(folder) {
  const found = [];
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.css'))) {
    const file = join(folder, name);
    const report = (node, key) => {
      const wrong = key && problem(key);
      if (wrong) found.push(`${file}:${node.loc?.start.line}: ${wrong}`);
    };
    css.walk(css.parse(readFileSync(file, 'utf8'), { positions: true, parseCustomProperty: true }), {
      enter(node) {
        if (node.type === 'Declaration') report(node, `css.properties.${node.property}`);
        if (node.type === 'Identifier' && this.declaration)
          report(node, `css.properties.${this.declaration.property}.${node.name}`);
        if (node.type === 'Function') report(node, types.get(node.name));
        if (node.type === 'PseudoClassSelector' || node.type === 'PseudoElementSelector')
          report(node, `css.selectors.${node.name}`);
        if (node.type === 'Atrule') report(node, `css.at-rules.${node.name}`);
        if (node.type === 'Feature') report(node, `css.at-rules.media.${node.name}`);
      },
    });
  }
  return found;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const here = import.meta.dirname;
  const found = [...newerCalls(join(here, 'tsconfig.json')), ...newerStyles(join(here, 'style'))];
  for (const line of found) console.error(line);
  if (found.length > 0) {
    console.error(
      `Newer than ${targets.join(', ')}: use something older, or see to it that nothing is missing without.`,
    );
    process.exitCode = 1;
  }
}
