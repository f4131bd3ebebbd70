import type { Event } from "./types.js";

/** A request is not a webhook of ours, or not a fresh one: answer 400 and do nothing. */
export class WebhookError extends Error {
  override readonly name = "WebhookError";
}

/** How far a webhook's instant may be from now, in seconds. */
export const webhookTolerance = 300;

const signaturesMax = 16;

/** Headers as fetch has them, or as Node's http has them. */
export type WebhookHeaders = Headers | Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * Checks webhooks by Standard Webhooks (https://www.standardwebhooks.com). While a secret is rotated each delivery is
 * signed with both, so one is enough; several are taken too.
 *
 *     const hook = new Webhook(process.env.FEIQIAN_WEBHOOK_SECRET);
 *     const event = await hook.verify(request.headers, rawBody);
 *
 * The same event may come twice: remember its id, or make what you do repeatable.
 */
export class Webhook {
  readonly #keys: Promise<CryptoKey>[];
  readonly #now: () => number;

  constructor(secrets: string | readonly string[], now: () => number = Date.now) {
    const texts = typeof secrets === "string" ? [secrets] : secrets;
    if (texts.length === 0) throw new TypeError("a webhook needs its secret");
    this.#now = now;
    this.#keys = texts.map((text) => importKey(text));
  }

  /** Returns the event of a genuine webhook. body is as it came, before any parsing. Errors: WebhookError. */
  async verify(headers: WebhookHeaders, body: string | Uint8Array): Promise<Event> {
    const id = header(headers, "webhook-id");
    const instant = header(headers, "webhook-timestamp");
    if (id === "" || !/^\d{1,12}$/.test(instant)) throw new WebhookError("headers are missing");
    if (Math.abs(Math.floor(this.#now() / 1000) - Number(instant)) > webhookTolerance) {
      throw new WebhookError("it was sent too long ago, or the clocks differ");
    }
    const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
    const head = new TextEncoder().encode(`${id}.${instant}.`);
    const message = new Uint8Array(head.length + bytes.length);
    message.set(head);
    message.set(bytes, head.length);
    if (!(await this.#signed(header(headers, "webhook-signature"), message))) {
      throw new WebhookError("no signature matches");
    }
    return parse(new TextDecoder().decode(bytes));
  }

  /** All signatures are compared, each in constant time (Web Cryptography, HMAC verify). */
  async #signed(text: string, message: Uint8Array<ArrayBuffer>): Promise<boolean> {
    const given = text.split(/[\s]+|,\s+/).filter((one) => one !== "");
    if (given.length > signaturesMax) return false;
    let genuine = false;
    for (const key of this.#keys) {
      for (const one of given) {
        const signature = one.startsWith("v1,") ? decode(one.slice(3)) : undefined;
        if (signature && (await crypto.subtle.verify("HMAC", await key, signature, message))) genuine = true;
      }
    }
    return genuine;
  }
}

function importKey(secret: string): Promise<CryptoKey> {
  const bytes = decode(secret.replace(/^whsec_/, ""));
  if (!bytes || bytes.length < 24 || bytes.length > 64) {
    throw new TypeError("this is not a webhook secret (whsec_…)");
  }
  return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
}

function decode(base64: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  } catch {
    return undefined;
  }
}

function header(headers: WebhookHeaders, name: string): string {
  if (headers instanceof Headers) return headers.get(name) ?? "";
  const value = headers[name];
  return typeof value === "string" ? value : (value ?? []).join(" ");
}

function parse(text: string): Event {
  try {
    const event = JSON.parse(text) as Partial<Event> | null;
    if (typeof event?.id === "string" && typeof event.kind === "string") return event as Event;
  } catch {
    // Said below.
  }
  throw new WebhookError("it holds no event");
}
