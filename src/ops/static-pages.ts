/**
 * The files of a folder for the clients' port, read once at the start: an app's pages beside the socket they
 * use. Nothing outside the folder can be asked for, since what is served is what was read.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { extname, join, relative, sep } from "node:path";
import { AppError, errorText } from "../base/errors.js";

export interface StaticFile {
  readonly contentType: string;
  readonly body: Buffer;
}

/** By path, `/` for `index.html`. */
export type StaticPages = ReadonlyMap<string, StaticFile>;

/** A folder with more is not the built pages of an app, but something that was named by mistake. */
const FILES_MAX = 1_000;
const BYTES_MAX = 64 * 1024 * 1024;

const contentTypes: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".jpg": "image/jpeg",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".map": "application/json; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
  ".webmanifest": "application/manifest+json",
  ".woff2": "font/woff2",
};

/** Throws CONFIG_PAGES_UNREADABLE. */
export function readStaticPages(folder: string): StaticPages {
  const pages = new Map<string, StaticFile>();
  let bytes = 0;
  try {
    for (const item of readdirSync(folder, { withFileTypes: true, recursive: true })) {
      if (!item.isFile()) continue;
      const file = join(item.parentPath, item.name);
      bytes += statSync(file).size;
      if (pages.size >= FILES_MAX || bytes > BYTES_MAX) {
        throw new Error(`it holds more than ${FILES_MAX} files or ${BYTES_MAX} bytes`);
      }
      const contentType = contentTypes[extname(file).toLowerCase()] ?? "application/octet-stream";
      pages.set(`/${relative(folder, file).split(sep).join("/")}`, {
        contentType,
        body: readFileSync(file),
      });
    }
  } catch (error) {
    const message = `reading the pages in ${folder}: ${errorText(error)}`;
    throw new AppError("CONFIG_PAGES_UNREADABLE", message, { cause: error });
  }
  const index = pages.get("/index.html");
  if (index !== undefined) pages.set("/", index);
  return pages;
}
