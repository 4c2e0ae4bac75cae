/** Pages of documents in the order of their rows, and how many of them are parked. */
import { turnOfLoop } from "../../base/turn.js";
import type { DocumentKey, KeptDocument } from "../../model/document.js";
import { docIdOf, docKeyOf } from "../document-key.js";
import type { DocId } from "../document-key.js";
import { compareDocRows, docRowKey } from "../document-order.js";
import type { LogNumber, ScannedDocument } from "../journal.js";
import type { Overlay } from "../overlay.js";
import { SLICE_ROWS } from "../turn.js";
import type { DerivedFile } from "./derived-file.js";
import type { Snapshot, Table } from "./environment.js";
import { endOf, keyAfter, textKey } from "./row-keys.js";

export interface PageRequest {
  readonly after: DocumentKey | undefined;
  readonly limit: number;
}

/**
 * Documents that have a derived row, each as the overlay knows it if it does: there can be a hundred thousand
 * there, too many to look through for every page.
 */
export function documentPage(
  file: DerivedFile,
  overlay: Overlay,
  { prefix, after, limit }: PageRequest & { readonly prefix: string },
): ScannedDocument[] {
  file.environment.fresh();
  const start = after === undefined ? textKey(prefix) : keyAfter(docRowKey(docIdOf(after)));
  const page: ScannedDocument[] = [];
  for (const row of file.documents.range({ start, end: endOf(textKey(prefix)) })) {
    const { id, document } = file.documentRow(row);
    const newer = overlay.document(id, Infinity);
    if (newer === null) continue;
    page.push({ key: docKeyOf(id), document: newer ?? document });
    if (page.length === limit) break;
  }
  return page;
}

/** Parked documents as a view at `log` sees them, in one turn of the event loop: file and overlay are of one moment. */
export function parkedPage(
  file: DerivedFile,
  overlay: Overlay,
  request: PageRequest & { readonly log: LogNumber },
): ScannedDocument[] {
  file.environment.fresh();
  const after = request.after === undefined ? undefined : docIdOf(request.after);
  const derived = derivedParked(file, overlay, { ...request, after });
  const own = ownParked(overlay, { ...request, after });
  const page = [...derived, ...own].sort((one, other) => compareDocRows(one.id, other.id));
  return page.slice(0, request.limit).map(({ id, document }) => ({ key: docKeyOf(id), document }));
}

/**
 * How many documents under the prefix, that of one relation, are parked as of the last append. Keys of the file are
 * counted page by page in a state of it that stands still, and what the overlay knows better is of the same moment: what
 * is written back between two pages is in neither twice, and is missing in none.
 */
export async function parkedUnder(
  file: DerivedFile,
  overlay: Overlay,
  prefix: string,
): Promise<number> {
  const snapshot = file.environment.snapshot();
  try {
    const own = ownUnder(overlay, prefix);
    if (overlay.empties(prefix)) return own.parked;
    const derived = await countUnder(file.parked, textKey(prefix), snapshot);
    if (derived === 0) return own.parked;
    return own.parked + derived - (await countOf(file.parked, own.ids, snapshot));
  } finally {
    snapshot.done();
  }
}

type ParkedRequest = Omit<PageRequest, "after"> & {
  readonly after: DocId | undefined;
  readonly log: LogNumber;
};

interface Found {
  readonly id: DocId;
  readonly document: KeptDocument;
}

function derivedParked(file: DerivedFile, overlay: Overlay, request: ParkedRequest): Found[] {
  const { after, limit, log } = request;
  const found: Found[] = [];
  const range = after === undefined ? {} : { start: keyAfter(docRowKey(after)) };
  for (const { key } of file.parked.range(range)) {
    const value = file.documents.get(key);
    if (value === undefined) continue;
    const row = file.documentRow({ key, value });
    if (overlay.document(row.id, log) !== undefined) continue;
    found.push(row);
    if (found.length === limit) break;
  }
  return found;
}

function ownParked(overlay: Overlay, { after, log }: ParkedRequest): Found[] {
  const found: Found[] = [];
  for (const id of overlay.documentIds()) {
    const document = overlay.document(id, log);
    if (document?.parked === undefined) continue;
    if (after === undefined || compareDocRows(id, after) > 0) found.push({ id, document });
  }
  return found;
}

/** The documents that the overlay knows better than the file, and how many of them are parked. */
function ownUnder(
  overlay: Overlay,
  prefix: string,
): { readonly ids: readonly DocId[]; readonly parked: number } {
  const ids: DocId[] = [];
  let parked = 0;
  for (const id of overlay.documentIds()) {
    if (!id.startsWith(prefix)) continue;
    ids.push(id);
    if (overlay.document(id, Infinity)?.parked !== undefined) parked += 1;
  }
  return { ids, parked };
}

async function countUnder(table: Table, prefix: Buffer, snapshot: Snapshot): Promise<number> {
  const end = endOf(prefix);
  let count = 0;
  for (let start: Buffer | undefined = prefix; start !== undefined;) {
    const keys = table.keys({ start, end, limit: SLICE_ROWS }, snapshot);
    const last = keys.at(-1);
    count += keys.length;
    start = last === undefined || keys.length < SLICE_ROWS ? undefined : keyAfter(last);
    await turnOfLoop();
  }
  return count;
}

/** How many of the documents have a row. */
async function countOf(table: Table, ids: readonly DocId[], snapshot: Snapshot): Promise<number> {
  let count = 0;
  for (const [at, id] of ids.entries()) {
    if (table.get(docRowKey(id), snapshot) !== undefined) count += 1;
    if (at % SLICE_ROWS === SLICE_ROWS - 1) await turnOfLoop();
  }
  return count;
}
