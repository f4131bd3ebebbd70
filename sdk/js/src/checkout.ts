// For browsers: the hosted checkout page in a dialog of your page, or in place of it. What it says back is a hint for the
// screen and never a proof: whether the payment is paid, your server asks the API.

/** What the page last said, such as "succeeded"; "closed" where the payer closed it before it said anything final. */
export type CheckoutState = string;

export type CheckoutOptions = {
  /** The page's address, as your server got it from the API: https://pay.example.com/pay/pay_…. */
  url: string;
  /** dialog: in the page; redirect: in its place; auto (default): a dialog, on phones a redirect. */
  mode?: "auto" | "dialog" | "redirect";
  /** Told each state that the page says. */
  onState?: (state: CheckoutState) => void;
  /** Milliseconds to wait for the page's first word, at most, before it gets the whole window; default 8,000. */
  patience?: number;
};

const finalStates = ["succeeded", "authorized", "declined", "expired", "voided", "closed"];
const phoneWidth = 600;
const loadedPatience = 500; // milliseconds: a page speaks as soon as it is there

const words = {
  "zh-CN": { pay: "用飞钱支付", close: "关闭", title: "收银台" },
  en: { pay: "Pay with Feiqian", close: "Close", title: "Checkout" },
};

function speech(): (typeof words)["en"] {
  const language = document.documentElement.lang || navigator.language;
  return language.toLowerCase().startsWith("zh") ? words["zh-CN"] : words.en;
}

/**
 * Opens the checkout page and resolves with the last state that it said once it is done or closed. After a redirect it
 * never resolves: the payer comes back by the page's return address. Errors: TypeError for an address that is not a
 * checkout page's.
 */
export async function openCheckout(options: CheckoutOptions): Promise<CheckoutState> {
  const url = checkedUrl(options.url);
  const mode = options.mode ?? "auto";
  const isPhone = Math.min(window.innerWidth, window.screen.width) < phoneWidth;
  if (mode === "redirect" || (mode === "auto" && isPhone)) return leave(url);
  return new Promise((resolve) => {
    showDialog(url, options, resolve);
  });
}

function checkedUrl(text: string): URL {
  const url = new URL(text, location.href);
  const isLoopback = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  const isSafe = url.protocol === "https:" || (url.protocol === "http:" && isLoopback);
  if (!isSafe || url.username !== "" || !url.pathname.startsWith("/pay/")) {
    throw new TypeError("this is not the address of a checkout page");
  }
  return url;
}

function leave(url: URL): Promise<never> {
  location.assign(url);
  return new Promise(() => undefined);
}

function showDialog(url: URL, options: CheckoutOptions, resolve: (state: CheckoutState) => void): void {
  const { dialog, frame, close } = build(url);
  let last: CheckoutState = "closed";
  let hasSpoken = false;
  const listen = (message: MessageEvent<unknown>): void => {
    if (message.origin !== url.origin || message.source !== frame.contentWindow) return;
    const state = stateOf(message.data);
    if (state === undefined) return;
    hasSpoken = true;
    last = state;
    options.onState?.(state);
    if (finalStates.includes(state)) end();
  };
  // A page that may not be framed here, or is old, says nothing: then it gets the whole window.
  const giveUp = (): void => {
    if (!hasSpoken && dialog.isConnected) void leave(url);
  };
  const patience = setTimeout(giveUp, options.patience ?? 8000);
  frame.addEventListener("load", () => setTimeout(giveUp, loadedPatience)); // a refused frame loads too: an empty page
  const end = (): void => {
    clearTimeout(patience);
    window.removeEventListener("message", listen);
    dialog.remove();
    resolve(finalStates.includes(last) ? last : "closed");
  };
  window.addEventListener("message", listen);
  close.addEventListener("click", end);
  dialog.addEventListener("close", end);
  document.body.append(dialog);
  dialog.showModal();
}

function stateOf(data: unknown): CheckoutState | undefined {
  if (typeof data !== "object" || data === null) return undefined;
  const { type, state } = data as Record<string, unknown>;
  return type === "feiqian.checkout" && typeof state === "string" && state.length <= 32 ? state : undefined;
}

function build(url: URL): { dialog: HTMLDialogElement; frame: HTMLIFrameElement; close: HTMLButtonElement } {
  const text = speech();
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-label", text.title);
  Object.assign(dialog.style, {
    padding: "0",
    border: "0",
    borderRadius: "12px",
    width: "min(440px, 96vw)",
    height: "min(720px, 92vh)",
    overflow: "hidden",
  });
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "×";
  close.setAttribute("aria-label", text.close);
  Object.assign(close.style, {
    position: "absolute",
    top: "6px",
    right: "6px",
    width: "44px",
    height: "44px",
    border: "0",
    background: "transparent",
    font: "24px/1 sans-serif",
    cursor: "pointer",
  });
  const frame = document.createElement("iframe");
  frame.src = url.href;
  frame.title = text.title;
  frame.allow = `publickey-credentials-get ${url.origin}`;
  frame.referrerPolicy = "no-referrer";
  Object.assign(frame.style, { width: "100%", height: "100%", border: "0", display: "block" });
  dialog.append(frame, close);
  return { dialog, frame, close };
}

export type ButtonOptions = Omit<CheckoutOptions, "url"> & {
  /** Asks your server for a payment's checkout address. Called once for each press. */
  createUrl: () => Promise<string>;
  /** The page is done or closed: now ask your server what the API says. */
  onDone: (state: CheckoutState) => void;
  /** The address could not be had or used. */
  onTrouble?: (error: unknown) => void;
  /** The button's text; default "Pay with Feiqian", 用飞钱支付. */
  label?: string;
};

/** Puts a checkout button at the end of an element and returns it. */
export function checkoutButton(parent: Element, options: ButtonOptions): HTMLButtonElement {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "feiqian-checkout";
  button.textContent = options.label ?? speech().pay;
  const press = async (): Promise<void> => {
    button.disabled = true; // a second press must not make a second payment
    try {
      const url = await options.createUrl();
      options.onDone(await openCheckout({ ...options, url }));
    } catch (error) {
      options.onTrouble?.(error);
    } finally {
      button.disabled = false;
    }
  };
  button.addEventListener("click", () => void press());
  parent.append(button);
  return button;
}

/**
 * Makes links with data-feiqian-checkout open in the page: they work without this script too. Once the page is done the
 * window goes to data-feiqian-return, where your server shows what the API says; without one it loads again.
 */
export function upgradeLinks(root: ParentNode = document): void {
  for (const link of root.querySelectorAll<HTMLAnchorElement>("a[data-feiqian-checkout]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      void openCheckout({ url: link.href }).then(() => {
        location.assign(link.dataset.feiqianReturn ?? location.href);
      });
    });
  }
}
