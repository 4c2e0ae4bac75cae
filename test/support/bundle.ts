/**
 * The client as an app's bundler makes it: one file from an entry of the sources, minified, for tests that
 * run it in a browser or measure it.
 */
import { resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { build, type Plugin } from "vite";

/** Of the sources, also where this file is a built one. */
const root = resolve(import.meta.dirname, "../..").replace(/\/dist$/, "");

/** What the client is written for; newer syntax would be compiled down and grow. */
const TARGET = "es2022";

/** Where page servers have the files of `@sqlite.org/sqlite-wasm`, which comes as it is. */
export const SQLITE_PATH = "/sqlite/";

const sqliteAsItIs: Plugin = {
  name: "sqlite-as-it-is",
  enforce: "pre",
  resolveId: (source) =>
    source === "@sqlite.org/sqlite-wasm"
      ? { id: `${SQLITE_PATH}index.mjs`, external: "absolute" }
      : null,
};

export interface Bundle {
  readonly code: string;
  /** After gzip at its highest level. */
  readonly gzipBytes: number;
  /** Modules in it, as paths from the root. */
  readonly modules: readonly string[];
}

/** `entry`: path from the root. Everything that it exports stays. */
export async function bundle(entry: string): Promise<Bundle> {
  const built = await build({
    configFile: false,
    logLevel: "warn",
    root,
    plugins: [sqliteAsItIs],
    resolve: {
      alias: [
        { find: /^@changecast\/client$/, replacement: `${root}/src/client/client.ts` },
        { find: /^@changecast\/client\/(.*)$/, replacement: `${root}/src/client/$1.ts` },
      ],
    },
    build: {
      write: false,
      target: TARGET,
      minify: "oxc",
      modulePreload: false,
      rolldownOptions: {
        input: { entry: resolve(root, entry) },
        preserveEntrySignatures: "strict",
      },
    },
  });
  const outputs = Array.isArray(built) ? built : [built];
  const chunks = outputs.flatMap((one) => ("output" in one ? one.output : []));
  const [chunk, ...others] = chunks;
  if (chunk?.type !== "chunk" || others.length > 0) {
    throw new Error(`bundling ${entry}: one file was expected, found ${chunks.length}`);
  }
  return {
    code: chunk.code,
    gzipBytes: gzipSync(chunk.code, { level: 9 }).length,
    modules: Object.keys(chunk.modules).map((path) => path.replace(`${root}/`, "")),
  };
}
