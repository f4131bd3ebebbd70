import { Part } from "./part.js";
import { segment, type CallOptions } from "./transport.js";
import type * as api from "./types.js";

/** The merchant's payment links. */
export class PaymentLinks extends Part {
  /** Makes a link: give its url to payers. */
  create(link: api.NewPaymentLink, options?: CallOptions): Promise<api.PaymentLink> {
    return this.transport.send({ method: "POST", path: "/v1/payment_links", body: link, options });
  }

  retrieve(id: string): Promise<api.PaymentLink> {
    return this.get(`/v1/payment_links/${segment(id)}`);
  }

  /** Goes through all links of a filter, newest first. */
  all(filter: api.PaymentLinkFilter = {}): AsyncGenerator<api.PaymentLink, void, undefined> {
    return this.pages("/v1/payment_links", filter);
  }

  /** Takes a link back for good; payments that it made go on. */
  disable(id: string): Promise<api.PaymentLink> {
    return this.transport.send({ method: "POST", path: `/v1/payment_links/${segment(id)}/disable` });
  }
}

/** The merchant's codes to print. */
export class QRCodes extends Part {
  create(code: api.NewQRCode, options?: CallOptions): Promise<api.QRCode> {
    return this.transport.send({ method: "POST", path: "/v1/qr_codes", body: code, options });
  }

  retrieve(id: string): Promise<api.QRCode> {
    return this.get(`/v1/qr_codes/${segment(id)}`);
  }

  /** Goes through all codes of a filter, newest first. */
  all(filter: api.QRCodeFilter = {}): AsyncGenerator<api.QRCode, void, undefined> {
    return this.pages("/v1/qr_codes", filter);
  }

  /** Takes a code back for good. */
  disable(id: string): Promise<api.QRCode> {
    return this.transport.send({ method: "POST", path: `/v1/qr_codes/${segment(id)}/disable` });
  }

  /** Draws a code, by default as a png of its address. */
  draw(id: string, how: api.Drawing = {}): Promise<Uint8Array> {
    return this.file(`/v1/qr_codes/${segment(id)}/image`, how);
  }
}

/** Rules that payments, links and codes name to be split by. */
export class SplitRules extends Part {
  /** Makes a rule; it never changes. */
  create(name: string, splits: api.SplitPart[]): Promise<api.SplitRule> {
    return this.transport.send({ method: "POST", path: "/v1/split_rules", body: { name, splits } });
  }

  async list(): Promise<api.SplitRule[]> {
    return (await this.get<api.Page<api.SplitRule>>("/v1/split_rules")).data ?? [];
  }

  /** Keeps new payments from naming a rule. */
  end(id: string): Promise<void> {
    return this.transport.send({ method: "DELETE", path: `/v1/split_rules/${segment(id)}` });
  }

  /** Goes through what other merchants' payments brought, newest first. */
  received(): AsyncGenerator<api.Split, void, undefined> {
    return this.pages("/v1/received_splits", {});
  }
}

/** Where events are sent. What comes there, Webhook checks. */
export class WebhookEndpoints extends Part {
  /** Makes an endpoint. The answer has its secret, this once. */
  create(endpoint: api.NewWebhookEndpoint): Promise<api.WebhookWithSecret> {
    return this.transport.send({ method: "POST", path: "/v1/webhook_endpoints", body: endpoint });
  }

  async list(): Promise<api.WebhookEndpoint[]> {
    return (await this.get<api.Page<api.WebhookEndpoint>>("/v1/webhook_endpoints")).data ?? [];
  }

  retrieve(id: string): Promise<api.WebhookEndpoint> {
    return this.get(this.#at(id));
  }

  /** Changes what is named, from the next events on. */
  change(id: string, change: api.WebhookChange): Promise<api.WebhookEndpoint> {
    return this.transport.send({ method: "PATCH", path: this.#at(id), body: change });
  }

  delete(id: string): Promise<void> {
    return this.transport.send({ method: "DELETE", path: this.#at(id) });
  }

  disable(id: string): Promise<api.WebhookEndpoint> {
    return this.#act(id, "disable");
  }

  /** Goes on; with catchUp it also sends what happened in between. */
  enable(id: string, catchUp = false): Promise<api.WebhookEndpoint> {
    return this.#act(id, "enable", { catch_up: catchUp });
  }

  /** Makes a new secret, shown this once. The former one signs too for so many seconds; 0 ends it at once. */
  rotateSecret(id: string, overlapSeconds = 86_400): Promise<api.WebhookWithSecret> {
    return this.#act(id, "rotate_secret", { overlap_seconds: overlapSeconds });
  }

  /** Sends a made-up event at once and returns how it went. */
  test(id: string): Promise<api.WebhookDelivery> {
    return this.#act(id, "test");
  }

  /** Goes through the log of an endpoint, newest first. */
  deliveries(
    id: string,
    filter: api.WebhookDeliveryFilter = {},
  ): AsyncGenerator<api.WebhookDelivery, void, undefined> {
    return this.pages(this.#at(id) + "/deliveries", filter);
  }

  /** Sends one event again. */
  resend(id: string, event: string): Promise<api.Queued> {
    return this.#act(id, `events/${segment(event)}/resend`);
  }

  /** Sends the events of a time again. Where the answer is not complete, ask again from its next_from. */
  replay(id: string, which: api.WebhookReplay): Promise<api.Queued> {
    return this.#act(id, "replay", which);
  }

  #at(id: string): string {
    return `/v1/webhook_endpoints/${segment(id)}`;
  }

  #act<T>(id: string, what: string, body?: unknown): Promise<T> {
    return this.transport.send({ method: "POST", path: `${this.#at(id)}/${what}`, body });
  }
}
