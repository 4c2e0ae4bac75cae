/** One line of a message, as an object whose fields nobody has looked at yet. */
import { protocolError } from "./protocol-error.js";

export function parseObject(line: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw protocolError("PROTOCOL_JSON", "reading a frame: the line is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw protocolError("PROTOCOL_JSON", "reading a frame: the line is not a JSON object");
  }
  return value as Readonly<Record<string, unknown>>;
}
