/** Whether the browser has no room left: SQLite says of each failed write only that it failed. */
import { isNamed } from "../../base/errors.js";

/** SQLite's codes of the failures that may be one of room. */
const IO_FAILED = 10;
const NO_ROOM = 13;

const PROBE = "changecast-room";
const PROBE_BYTES = 1024 * 1024;

interface AccessHandle {
  write(bytes: Uint8Array): number;
  close(): void;
}

/** Writes a little by itself and sees. */
export async function isWithoutRoom(error: unknown): Promise<boolean> {
  if (isNamed(error, "QuotaExceededError")) return true;
  const { resultCode } = error as { readonly resultCode?: unknown };
  if (typeof resultCode !== "number") return false;
  const code = resultCode & 0xff;
  if (code === NO_ROOM) return true;
  return code === IO_FAILED && isProbeRefused();
}

async function isProbeRefused(): Promise<boolean> {
  const root = await navigator.storage.getDirectory();
  const file = (await root.getFileHandle(PROBE, { create: true })) as FileSystemFileHandle & {
    createSyncAccessHandle(): Promise<AccessHandle>;
  };
  const handle = await file.createSyncAccessHandle();
  try {
    handle.write(new Uint8Array(PROBE_BYTES));
    return false;
  } catch (error) {
    return isNamed(error, "QuotaExceededError");
  } finally {
    handle.close();
    await root.removeEntry(PROBE);
  }
}
