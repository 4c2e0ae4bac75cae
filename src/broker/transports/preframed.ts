/**
 * A WebSocket text frame made once and written to many sockets as it is: no header per send, no second
 * write (measured: 7 µs against 9 µs a delivery, and shared memory). Right only where nothing else may
 * stand between two of our writes: no extension, and a sender that never works asynchronously. Where that
 * does not hold, websocket.ts sends through the library.
 */

/** FIN and the opcode of text (RFC 6455 §5.2). A server does not mask. */
const FINAL_TEXT = 0x81;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

export function frameText(payload: Uint8Array): Uint8Array {
  const { length } = payload;
  const headBytes = length < LENGTH_16 ? 2 : length <= 0xffff ? 4 : 10;
  // Not from Node's pool: a shared frame may live long in a slow socket.
  const framed = new Uint8Array(headBytes + length);
  framed[0] = FINAL_TEXT;
  if (headBytes === 2) framed[1] = length;
  else {
    const view = new DataView(framed.buffer);
    framed[1] = headBytes === 4 ? LENGTH_16 : LENGTH_64;
    if (headBytes === 4) view.setUint16(2, length);
    else view.setBigUint64(2, BigInt(length));
  }
  framed.set(payload, headBytes);
  return framed;
}
