package sdk_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// The checkout page as a merchant's page sees it: it says its state to the window around it, and a stranger says what
// it likes from elsewhere.
const (
	payPage = `<!doctype html><button id="done" onclick="parent.postMessage({type:'feiqian.checkout',state:'succeeded'},'*')">
		</button><script>parent.postMessage({type:'feiqian.checkout',state:'created'},'*')</script>`
	mutePage = `<!doctype html><p id="mute">This page says nothing.</p>`
	shopPage = `<!doctype html><html lang="zh-CN"><p id="said"></p><p id="end"></p><script type="module">
		import { checkoutButton, openCheckout } from "/sdk/checkout.js";
		window.refused = async (url) => openCheckout({ url, mode: "dialog" }).then(() => "opened", (error) => error.name);
		let said = "";
		checkoutButton(document.body, {
			mode: "dialog", patience: 1500, createUrl: async () => new URLSearchParams(location.search).get("url"),
			onState: (state) => { document.getElementById("said").textContent = said += state + " "; },
			onDone: (state) => { document.getElementById("end").textContent = state; },
		}).id = "pay";
	</script></html>`
)

// TestCheckout opens the checkout in a real browser: in a dialog, closed by the payer, forged by the page around it, and
// with a page that does not speak.
func TestCheckout(t *testing.T) {
	t.Parallel()
	node(t) // the SDK is built
	pays := serve(t, map[string]string{"/pay/pay_1": payPage, "/pay/mute": mutePage})
	shop := serve(t, map[string]string{"/{$}": shopPage})
	tab := browse(t)
	at := func(page string) string { return shop + "/?url=" + pays + page }
	frame := `document.querySelector("dialog iframe")`
	text := func(id string) string { return fmt.Sprintf(`document.getElementById(%q).textContent`, id) }

	tab.open(t, at("/pay/pay_1"))
	tab.want(t, `document.getElementById("pay").textContent`, "用飞钱支付")
	tab.run(t, `document.getElementById("pay").click()`)
	tab.want(t, text("said"), "created ")
	tab.want(t, frame+`.title + document.getElementById("pay").disabled`, "收银台true")
	// A message of the shop's own page, of another origin or another form is not the checkout's.
	tab.run(t, `window.postMessage({type:"feiqian.checkout",state:"succeeded"}, "*")`)
	tab.run(t, `window.dispatchEvent(new MessageEvent("message", {data: {type:"feiqian.checkout",state:"succeeded"},
		origin: "https://evil.example", source: `+frame+`.contentWindow}))`)
	tab.run(t, `window.dispatchEvent(new MessageEvent("message", {data: {type:"other",state:"succeeded"},
		origin: "`+pays+`", source: `+frame+`.contentWindow}))`)
	time.Sleep(100 * time.Millisecond)
	tab.want(t, text("said")+"+"+text("end"), "created ")
	tab.run(t, `window.dispatchEvent(new MessageEvent("message", {data: {type:"feiqian.checkout",state:"succeeded"},
		origin: "`+pays+`", source: `+frame+`.contentWindow}))`)
	tab.want(t, text("end")+"+String("+frame+")", "succeedednull")

	tab.open(t, at("/pay/pay_1"))
	tab.run(t, `document.getElementById("pay").click()`)
	tab.want(t, text("said"), "created ")
	tab.run(t, `document.querySelector("dialog button").click()`)
	tab.want(t, text("end"), "closed")

	for _, url := range []string{"javascript:alert(1)//pay/", "http://evil.example/pay/pay_1", pays + "/other", "https://a:b@x.y/pay/1"} {
		tab.want(t, fmt.Sprintf(`window.refused(%q)`, url), "TypeError")
	}
	tab.open(t, at("/pay/mute"))
	tab.run(t, `document.getElementById("pay").click()`)
	tab.want(t, `document.getElementById("mute")?.textContent ?? ""`, "This page says nothing.")
	tab.want(t, `location.pathname`, "/pay/mute")
}

// serve serves pages and the built SDK on an origin of its own.
func serve(t *testing.T, pages map[string]string) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/sdk/", http.StripPrefix("/sdk/", http.FileServer(http.Dir(root+"/sdk/js/dist"))))
	for path, page := range pages {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write([]byte(page))
		})
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

type tab struct{ ctx context.Context } //nolint:containedctx // chromedp keeps a tab in a context

// browse opens a Chromium, or skips the test; `make test` installs it and then demands it.
func browse(t *testing.T) tab {
	t.Helper()
	program := ""
	for _, name := range []string{os.Getenv("FEIQIAN_TEST_CHROMIUM"), "chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil && name != "" && program == "" {
			program = path
		}
	}
	if program == "" {
		if os.Getenv("FEIQIAN_TEST_CHROMIUM") != "" {
			t.Fatal("FEIQIAN_TEST_CHROMIUM names no program: run the tests with `make test`")
		}
		t.Skip("no Chromium: run the tests with `make test`")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program),
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("no-first-run", true))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil { // the browser lives as long as this context
		t.Fatal(err)
	}
	return tab{ctx}
}

// open opens a page.
func (b tab) open(t *testing.T, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 60*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(address)); err != nil {
		t.Fatal(err)
	}
	b.want(t, `String(document.getElementById("pay") !== null)`, "true")
}

// ask evaluates an expression and waits for what it promises.
func (b tab) ask(script string) (string, error) {
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[string](
		"(async () => String(await ("+script+")))()", chromedp.EvalAwaitPromise))
}

// run evaluates an expression for what it does.
func (b tab) run(t *testing.T, script string) {
	t.Helper()
	if _, err := b.ask(script); err != nil {
		t.Fatalf("%s: %v", script, err)
	}
}

// want waits until an expression has a value. The page may change meanwhile.
func (b tab) want(t *testing.T, script, want string) {
	t.Helper()
	var got string
	var err error
	for begun := time.Now(); time.Since(begun) < 20*time.Second; time.Sleep(50 * time.Millisecond) {
		if got, err = b.ask(script); err == nil && got == want {
			return
		}
	}
	t.Fatalf("%s is %q, not %q (%v)", script, got, want, err)
}
