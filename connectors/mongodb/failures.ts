/** What failures of the server and the driver are called here, and which of them end or interrupt a stream. */
import {
  MongoError,
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
} from "mongodb";
import type { ErrorCode } from "../../src/base/error-catalogue.js";
import { AppError, errorText } from "../../src/base/errors.js";

const serverCode = {
  badValue: 2,
  userNotFound: 11,
  unauthorized: 13,
  authenticationFailed: 18,
  cursorNotFound: 43,
  namespaceNotFound: 26,
  snapshotTooOld: 239,
  snapshotUnavailable: 246,
  invalidOptions: 72,
  invalidResumeToken: 260,
  changeStreamFatal: 280,
  historyLost: 286,
  bsonTooLarge: 10_334,
  changeStreamOnStandalone: 40_573,
  readConcernNeedsReplicaSet: 123,
} as const;

/** M-7: of servers before 4.4, which give no label. */
const RESUMABLE_CODES = new Set([
  ...[6, 7, 43, 63, 89, 91, 133, 150, 189, 234, 262, 9001],
  ...[10_107, 11_600, 11_602, 13_388, 13_435, 13_436],
]);

export function codeOf(error: unknown): number | undefined {
  return error instanceof MongoServerError && typeof error.code === "number"
    ? error.code
    : undefined;
}

/** The stream can go on from its last token with a new cursor. */
export function isResumable(error: unknown): boolean {
  if (error instanceof MongoNetworkError) return true;
  if (!(error instanceof MongoError)) return false;
  if (error.hasErrorLabel("ResumableChangeStreamError")) return true;
  const code = codeOf(error);
  if (code === serverCode.cursorNotFound) return true;
  if (error.hasErrorLabel("NonResumableChangeStreamError")) return false;
  return code !== undefined && RESUMABLE_CODES.has(code);
}

/** What comes after the token is not to be had from this deployment, now or later (M-4). */
export function isHistoryLost(error: unknown): boolean {
  const code = codeOf(error);
  if (code === serverCode.historyLost || code === serverCode.invalidResumeToken) return true;
  const isMissing = /resume token was not found|resume point may no longer be in the oplog/;
  return code === serverCode.changeStreamFatal && isMissing.test(errorText(error));
}

/** A change with its document is beyond what one reply may hold (M-12). */
export function isTooLarge(error: unknown): boolean {
  return codeOf(error) === serverCode.bsonTooLarge || /BSONObjectTooLarge/.test(errorText(error));
}

/** The moment cannot be read: it is too long ago, or the collection was made or renamed since (mongodb.md 5.7). */
export function isMomentGone(error: unknown): boolean {
  const code = codeOf(error);
  return code === serverCode.snapshotTooOld || code === serverCode.snapshotUnavailable;
}

/** The moment has not come yet: nothing was written since the stream began. */
export function isMomentToCome(error: unknown): boolean {
  return codeOf(error) === serverCode.invalidOptions && /clusterTime/.test(errorText(error));
}

/** `doing` begins the message. */
export function failureOf(error: unknown, doing: string): AppError {
  if (error instanceof AppError) return error;
  const [code, cure] = namesOf(error);
  return new AppError(code, `${doing}: ${errorText(error)}`, {
    cause: error,
    ...(cure === undefined ? {} : { cure }),
  });
}

function namesOf(error: unknown): readonly [ErrorCode, string?] {
  const code = codeOf(error);
  if (isLogin(error)) return ["MONGODB_LOGIN_REFUSED"];
  if (code === serverCode.unauthorized) return ["MONGODB_PRIVILEGE_MISSING"];
  if (code === serverCode.changeStreamOnStandalone)
    return ["MONGODB_SERVER_UNFIT", STANDALONE_CURE];
  if (error instanceof MongoServerSelectionError) {
    if (isLogin(error.cause)) return ["MONGODB_LOGIN_REFUSED"];
    return ["MONGODB_UNREACHABLE"];
  }
  if (error instanceof MongoNetworkError) return ["CONNECTOR_CONNECTION_LOST"];
  return ["MONGODB_COMMAND_FAILED"];
}

/** The name of a certificate that no user has is told as such. */
function isLogin(error: unknown): boolean {
  const code = codeOf(error);
  return code === serverCode.authenticationFailed || code === serverCode.userNotFound;
}

export const STANDALONE_CURE =
  "Change streams need a replica set; one member is enough: start mongod with --replSet rs0, then run rs.initiate().";
