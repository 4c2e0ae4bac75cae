/**
 * The journal's folder: `journal.json` names the format, `blocks.mdb` holds what is true, `appends.wal` what goes there
 * next, `derived.mdb` what was made from it. A folder with anything else in it is somebody else's.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { platform } from "node:os";
import { dirname, join } from "node:path";
import { AppError, errorText } from "../../base/errors.js";

/** Raised whenever an older version could not read what this one writes. */
export const JOURNAL_FORMAT = 1;

const NAME = "journal.json";

/** Becomes the former once it is whole. */
const FRESH = `${NAME}.new`;

export interface JournalFiles {
  readonly blocks: string;
  readonly wal: string;
  readonly derived: string;
}

/** Makes the folder where there is none. Throws JOURNAL_FOREIGN, JOURNAL_NEWER, JOURNAL_DAMAGED, JOURNAL_UNREADABLE. */
export function openFolder(folder: string): JournalFiles {
  attempt(folder, () => {
    mkdirSync(folder, { recursive: true });
  });
  const path = join(folder, NAME);
  if (existsSync(path)) checkFormat(path);
  else {
    const fresh = join(folder, FRESH);
    assertEmpty(folder);
    attempt(folder, () => {
      const text = `${JSON.stringify({ changecast: "journal", format: JOURNAL_FORMAT })}\n`;
      // Else a power cut could leave its name without its text, beside a journal that is whole.
      synced(fresh, "w", (file) => {
        writeFileSync(file, text);
      });
    });
    takePlace(fresh, path);
  }
  return filesOf(folder);
}

/** The file `fresh`, which is whole, is the one at `path`, for good when it returns. Throws JOURNAL_UNREADABLE. */
export function takePlace(fresh: string, path: string): void {
  attempt(path, () => {
    renameSync(fresh, path);
  });
  syncFolder(dirname(path));
}

/** The names in it are on the disk when it returns. */
export function syncFolder(folder: string): void {
  // There the system keeps names by itself, and lets nobody open a folder.
  if (platform() === "win32") return;
  attempt(folder, () => {
    synced(folder, "r", () => undefined);
  });
}

/** The folder of a journal that is there. Throws JOURNAL_MISSING too. */
export function findFolder(folder: string): JournalFiles {
  const files = filesOf(folder);
  const path = join(folder, NAME);
  if (!existsSync(path) || !existsSync(files.blocks) || !existsSync(files.derived)) {
    throw new AppError("JOURNAL_MISSING", `opening the journal ${folder}: there is none`);
  }
  checkFormat(path);
  return files;
}

/** Undefined where the first start will make it. Throws JOURNAL_FOREIGN, _NEWER, _DAMAGED, _UNREADABLE. */
export function lookIntoFolder(folder: string): JournalFiles | undefined {
  if (!existsSync(folder)) return undefined;
  const path = join(folder, NAME);
  const files = filesOf(folder);
  if (!existsSync(path)) assertEmpty(folder);
  else {
    checkFormat(path);
    if (existsSync(files.blocks)) return files;
  }
  return undefined;
}

function synced(path: string, flags: "r" | "w", write: (file: number) => void): void {
  const file = openSync(path, flags);
  try {
    write(file);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function assertEmpty(folder: string): void {
  // What a start left behind that was killed there is ours.
  const found = attempt(folder, () => readdirSync(folder)).find((name) => name !== FRESH);
  if (found === undefined) return;
  const message = `opening the journal ${folder}: it holds ${found} and no ${NAME}`;
  throw new AppError("JOURNAL_FOREIGN", message, { context: { folder } });
}

function filesOf(folder: string): JournalFiles {
  const [blocks, wal, derived] = ["blocks.mdb", "appends.wal", "derived.mdb"] as const;
  return { blocks: join(folder, blocks), wal: join(folder, wal), derived: join(folder, derived) };
}

function checkFormat(path: string): void {
  const text = attempt(path, () => readFileSync(path, "utf8"));
  let format: unknown;
  try {
    ({ format } = JSON.parse(text) as { format?: unknown });
  } catch (error) {
    throw new AppError("JOURNAL_DAMAGED", `reading ${path}: ${errorText(error)}`, { cause: error });
  }
  if (typeof format !== "number" || !Number.isInteger(format) || format < 1) {
    throw new AppError("JOURNAL_DAMAGED", `reading ${path}: it names no format`);
  }
  if (format <= JOURNAL_FORMAT) return;
  const message = `opening ${path}: its format is ${format}, this version reads up to ${JOURNAL_FORMAT}`;
  throw new AppError("JOURNAL_NEWER", message);
}

/** Throws JOURNAL_UNREADABLE where the system refuses. */
export function attempt<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const message = `opening the journal ${path}: ${errorText(error)}`;
    throw new AppError("JOURNAL_UNREADABLE", message, { cause: error });
  }
}
