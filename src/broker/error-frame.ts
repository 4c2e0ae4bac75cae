/** What a client is told of an error: the catalogue's cure comes along, so that clients carry no texts of their own. */
import { errorCatalogue } from "../base/error-catalogue.js";
import type { ErrorCode } from "../base/error-catalogue.js";
import type { ErrorFrame } from "../protocol/frames.js";

export function errorFrame(
  error: Omit<ErrorFrame, "t" | "cure"> & { readonly code: ErrorCode },
): ErrorFrame {
  return { t: "error", ...error, cure: errorCatalogue[error.code].cure };
}
