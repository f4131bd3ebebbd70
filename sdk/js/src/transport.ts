import { isTemporary, FeiqianError, NoAnswerError, refusal } from "./errors.js";
import { signRequest, type Signer } from "./sign.js";

/** What changes one call. */
export type CallOptions = {
  /**
   * Names an act: the same key and request are done once, however often they are sent, for 30 days. Take one that you
   * can find again, such as the order's number; without it a fresh one is drawn for each call.
   */
  idempotencyKey?: string;
  /** Asks for the answer of an act and writes nothing. */
  dryRun?: boolean;
  /** Ends the whole call, retries included. */
  signal?: AbortSignal;
};

export type Options = {
  /** The instance: https://pay.example.com. Default http://127.0.0.1:8080, where `make run` serves. */
  baseUrl?: string;
  /** Milliseconds after which one try ends; default 40,000. */
  timeout?: number;
  /** How many times more a call is sent at most; default 3. */
  retries?: number;
  /** Signs every request; see requestSigner. */
  signer?: Signer;
  /** Another fetch, such as one with a proxy. */
  fetch?: typeof fetch;
  /** For tests: how long to wait after a try, in milliseconds. */
  backoff?: (attempt: number) => number;
};

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;
type Call = {
  method: string;
  path: string;
  query?: Query | undefined;
  body?: unknown;
  options?: CallOptions | undefined;
  /** The answer is no JSON: its bytes are wanted. */
  raw?: boolean;
};

/** The dated version of the API that this package is made for: answers keep their form when the server goes on. */
export const apiVersion = "2026-12-01";

const retryAfterMax = 60_000; // a longer wait is the caller's decision

/** Sends calls, again where that is safe and may help. */
export class Transport {
  readonly #key: string;
  readonly #base: string;
  readonly #timeout: number;
  readonly #retries: number;
  readonly #signer: Signer | undefined;
  readonly #fetch: typeof fetch;
  readonly #backoff: (attempt: number) => number;

  constructor(key: string, options: Options) {
    if (!/^sk_[\x21-\x7e]+$/.test(key))
      throw new TypeError("this is not a secret key (sk_sandbox_… or sk_live_…)");
    if ("document" in globalThis)
      throw new TypeError("a secret key belongs on your server, never in a browser");
    this.#key = key;
    this.#base = checkedBase(options.baseUrl ?? "http://127.0.0.1:8080");
    this.#timeout = options.timeout ?? 40_000;
    this.#retries = options.retries ?? 3;
    this.#signer = options.signer;
    this.#fetch = options.fetch ?? globalThis.fetch;
    this.#backoff = options.backoff ?? backoff;
  }

  async send<T>(call: Call): Promise<T> {
    const key = call.options?.idempotencyKey ?? (call.method === "POST" ? crypto.randomUUID() : undefined);
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#try<T>(call, key);
      } catch (error) {
        if (attempt >= this.#retries || isAborted(call) || !isTemporary(error)) throw error;
        const asked = error instanceof FeiqianError ? error.retryAfter : 0;
        if (asked > retryAfterMax) throw error;
        await sleep(Math.max(this.#backoff(attempt), asked), call.options?.signal);
        if (isAborted(call)) throw error;
      }
    }
  }

  async #try<T>(call: Call, key: string | undefined): Promise<T> {
    const headers: Record<string, string> = {
      Authorization: `Bearer ${this.#key}`,
      Accept: "application/json, application/problem+json",
      "User-Agent": "feiqian-js/0.1.0",
      "Feiqian-Version": apiVersion,
    };
    if (call.body !== undefined) headers["Content-Type"] = "application/json";
    if (key !== undefined) headers["Idempotency-Key"] = key;
    const url = this.#base + call.path + queryOf(call);
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    if (this.#signer) await signRequest({ method: call.method, url, headers, body }, this.#signer);
    const ends = AbortSignal.timeout(this.#timeout);
    const signal = call.options?.signal;
    try {
      const response = await this.#fetch(url, {
        method: call.method,
        headers,
        redirect: "manual", // the key goes to the instance and nowhere else
        signal: signal ? AbortSignal.any([signal, ends]) : ends,
        ...(body === undefined ? {} : { body }),
      });
      if (response.ok && call.raw === true) return new Uint8Array(await response.arrayBuffer()) as T;
      const text = await response.text();
      if (!response.ok) throw refusal(response, text, key);
      return (text === "" ? undefined : JSON.parse(text)) as T;
    } catch (error) {
      throw error instanceof FeiqianError ? error : new NoAnswerError(error, key);
    }
  }
}

function isAborted(call: Call): boolean {
  return call.options?.signal?.aborted === true;
}

function queryOf(call: Call): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(call.query ?? {})) {
    if (value !== undefined && value !== "") query.set(name, String(value));
  }
  if (call.options?.dryRun === true) query.set("dry_run", "true");
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

/** Plain http is taken for this machine only: the key would travel in the clear. */
function checkedBase(base: string): string {
  const url = new URL(base);
  const isLoopback = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback)) {
    throw new TypeError(`${url.host} is not https: the secret key would travel in the clear`);
  }
  if (url.username !== "" || url.search !== "" || url.hash !== "")
    throw new TypeError("the base URL holds too much");
  return base.replace(/\/+$/, "");
}

/** Twice as long each time, half of it at random, so that many clients do not come back together. */
export function backoff(attempt: number): number {
  const full = Math.min(250 * 2 ** attempt, 8000);
  return full / 2 + Math.random() * (full / 2);
}

export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", done);
    if (signal?.aborted === true) done();
  });
}

/** An id as a part of a path. An empty one would lead to another route. */
export function segment(id: string): string {
  if (id === "" || id === "." || id === "..") throw new TypeError("an id is missing");
  return encodeURIComponent(id);
}
