/**
 * Answers plain HTTP requests, the same on the clients' port (health, and an app's pages) and on the
 * operators' port (metrics too). Only reads: GET and HEAD. It keeps no connection state and reads no body.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { errorText } from "../base/errors.js";
import type { Log } from "../base/log.js";
import type { Health, HealthAnswer } from "./health.js";
import type { StaticFile, StaticPages } from "./static-pages.js";

export interface HttpAnswersOptions {
  readonly health: Health;
  /** Absent on the clients' port: numbers about all clients are not for each client. */
  readonly metrics?: MetricsPage;
  /** On the clients' port, where the configuration names some. */
  readonly pages?: StaticPages;
  readonly log: Log;
}

export interface MetricsPage {
  readonly contentType: string;
  metrics(): Promise<string>;
}

export type HttpAnswers = (request: IncomingMessage, response: ServerResponse) => void;

/** Longer than any clock skew worth a request, short enough to be a number. */
const AGE_MS_MAX = 24 * 60 * 60 * 1_000;

export function createHttpAnswers(options: HttpAnswersOptions): HttpAnswers {
  return (request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      options.log.warn("http.request.failed", { path: pathOf(request), error: errorText(error) });
      if (response.headersSent) response.destroy();
      else sendJson(response, 500, { error: "failed; the server's log has the cause" });
    });
  };
}

async function answer(
  { health, metrics, pages }: HttpAnswersOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    sendJson(response, 405, { error: "only GET and HEAD are answered here" });
    return;
  }
  const path = pathOf(request);
  if (path === "/healthz") send(response, health.alive());
  else if (path === "/readyz") send(response, health.ready());
  else if (path === "/freshz") sendFreshness(response, health, request);
  else if (path === "/metrics" && metrics !== undefined) {
    const page = await metrics.metrics();
    response.writeHead(200, { "content-type": metrics.contentType, "cache-control": "no-store" });
    response.end(page);
  } else if (pages?.has(path) === true) sendFile(response, pages.get(path));
  else sendJson(response, 404, { error: `nothing is at ${path}` });
}

function sendFreshness(response: ServerResponse, health: Health, request: IncomingMessage): void {
  const given = new URLSearchParams((request.url ?? "").split("?")[1] ?? "").get("ageMsMax");
  if (given === null) {
    send(response, health.fresh());
    return;
  }
  const ageMsMax = Number(given);
  if (/^\d+$/.test(given) && ageMsMax <= AGE_MS_MAX) send(response, health.fresh(ageMsMax));
  else
    sendJson(response, 400, { error: "ageMsMax is a whole number of milliseconds, at most a day" });
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? "/").split("?")[0] ?? "/";
}

function send(response: ServerResponse, { status, body }: HealthAnswer): void {
  sendJson(response, status, body);
}

function sendFile(response: ServerResponse, file: StaticFile | undefined): void {
  response.writeHead(200, {
    "content-type": file?.contentType ?? "application/octet-stream",
    // A page that was built anew has the same names.
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
  });
  response.end(file?.body);
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "cache-control": "no-store",
  });
  response.end(`${JSON.stringify(body)}\n`);
}
