/** Pages of documents in the order of their rows. */
import type { DocumentKey, KeptDocument } from "../../model/document.js";
import { docIdOf, docKeyOf } from "../document-key.js";
import type { DocId } from "../document-key.js";
import { compareDocRows, docRowKey } from "../document-order.js";
import type { LogNumber, ScannedDocument } from "../journal.js";
import type { Overlay } from "../overlay.js";
import type { DerivedFile } from "./derived-file.js";
import { endOf, keyAfter, textKey } from "./row-keys.js";

export interface PageRequest {
  /** "" for all. */
  readonly prefix: string;
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
  { prefix, after, limit }: PageRequest,
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

type ParkedRequest = Omit<PageRequest, "after"> & {
  readonly after: DocId | undefined;
  readonly log: LogNumber;
};

interface Found {
  readonly id: DocId;
  readonly document: KeptDocument;
}

function derivedParked(file: DerivedFile, overlay: Overlay, request: ParkedRequest): Found[] {
  const { prefix, after, limit, log } = request;
  const start = after === undefined ? textKey(prefix) : keyAfter(docRowKey(after));
  const range = prefix === "" ? {} : { end: endOf(textKey(prefix)) };
  const found: Found[] = [];
  for (const { key } of file.parked.range({ ...range, ...(start.length > 0 ? { start } : {}) })) {
    const value = file.documents.get(key);
    if (value === undefined) continue;
    const row = file.documentRow({ key, value });
    if (overlay.document(row.id, log) !== undefined) continue;
    found.push(row);
    if (found.length === limit) break;
  }
  return found;
}

function ownParked(overlay: Overlay, request: ParkedRequest): Found[] {
  const { prefix, after, log } = request;
  const found: Found[] = [];
  for (const id of overlay.documentIds()) {
    if (!id.startsWith(prefix)) continue;
    const document = overlay.document(id, log);
    if (document?.parked === undefined) continue;
    if (after === undefined || compareDocRows(id, after) > 0) found.push({ id, document });
  }
  return found;
}
