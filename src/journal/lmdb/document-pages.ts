/** Pages of documents in the order of their rows: derived ones, unless the overlay knows better, and its own. */
import type { DocumentKey, KeptDocument } from "../../model/document.js";
import { docIdOf, docKeyOf } from "../document-key.js";
import type { DocId } from "../document-key.js";
import { compareDocRows, docRowKey } from "../document-order.js";
import type { LogNumber, ScannedDocument } from "../journal.js";
import type { Overlay } from "../overlay.js";
import type { DerivedFile } from "./derived-file.js";
import type { Table } from "./environment.js";
import { endOf, keyAfter, textKey } from "./row-keys.js";

export interface PageRequest {
  /** "" for all. */
  readonly prefix: string;
  readonly after: DocumentKey | undefined;
  readonly limit: number;
  /** What a view at this log number sees. */
  readonly log: LogNumber;
  /** Only parked documents. */
  readonly onlyParked: boolean;
}

/** Everything in one turn of the event loop, so that file and overlay are of one moment. */
export function documentPage(
  file: DerivedFile,
  overlay: Overlay,
  request: PageRequest,
): ScannedDocument[] {
  file.environment.fresh();
  const after = request.after === undefined ? undefined : docIdOf(request.after);
  const derived = derivedPage(file, overlay, { ...request, after });
  const own = ownPage(overlay, { ...request, after });
  const page = [...derived, ...own].sort((one, other) => compareDocRows(one.id, other.id));
  return page.slice(0, request.limit).map(({ id, document }) => ({ key: docKeyOf(id), document }));
}

type Request = Omit<PageRequest, "after"> & { readonly after: DocId | undefined };

interface Found {
  readonly id: DocId;
  readonly document: KeptDocument;
}

function derivedPage(file: DerivedFile, overlay: Overlay, request: Request): Found[] {
  const { prefix, after, limit, log, onlyParked } = request;
  const table: Table = onlyParked ? file.parked : file.documents;
  const start = after === undefined ? textKey(prefix) : keyAfter(docRowKey(after));
  const range = prefix === "" ? {} : { end: endOf(textKey(prefix)) };
  const found: Found[] = [];
  for (const { key, value } of table.range({ ...range, ...(start.length > 0 ? { start } : {}) })) {
    const bytes = onlyParked ? file.documents.get(key) : value;
    if (bytes === undefined) continue;
    const row = file.documentRow({ key, value: bytes });
    if (overlay.document(row.id, log) !== undefined) continue;
    found.push(row);
    if (found.length === limit) break;
  }
  return found;
}

function ownPage(overlay: Overlay, request: Request): Found[] {
  const { prefix, after, log, onlyParked } = request;
  const found: Found[] = [];
  for (const id of overlay.documentIds()) {
    if (!id.startsWith(prefix)) continue;
    const document = overlay.document(id, log);
    if (document === undefined || document === null) continue;
    if (onlyParked && document.parked === undefined) continue;
    if (after === undefined || compareDocRows(id, after) > 0) found.push({ id, document });
  }
  return found;
}
