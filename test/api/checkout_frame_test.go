package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/checkout"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
)

func setOrigins(door, token string, origins ...string) apitest.Request {
	return apitest.Request{
		Method: "PUT", Path: door + "/checkout_origins", Token: token, Body: map[string]any{"origins": origins},
	}
}

// TestCheckoutOrigins says which sites may show the page, by key and by people of the merchant, and reads what the page
// says of it.
func TestCheckoutOrigins(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		shop, other := w.shop(t, party.NewMerchant{}), w.shop(t, party.NewMerchant{})
		owner := w.user(t, shop.id, "", party.MerchantOwner)
		made, foreign := w.checkout(
			t,
			shop,
			map[string]any{"amount": 100},
		), w.checkout(
			t,
			other,
			map[string]any{"amount": 100},
		)
		ancestors := func(address string) string {
			answer := w.page(t, address, nil)
			_, list, _ := strings.Cut(answer.Header.Get("Content-Security-Policy"), "frame-ancestors ")
			if answer.Header.Get("X-Frame-Options") != "DENY" {
				t.Errorf("X-Frame-Options %q", answer.Header.Get("X-Frame-Options"))
			}
			return list
		}
		if got := ancestors(made.URL); got != "'none'" {
			t.Errorf("without origins: frame-ancestors %s", got)
		}
		var origins checkout.Origins
		w.ok(t, 200, get("/v1/checkout_origins", shop.token), &origins)
		if len(origins.Origins) != 0 || !origins.ChangedAt.IsZero() {
			t.Errorf("at first %+v", origins)
		}
		w.ok(
			t,
			200,
			setOrigins("/v1", shop.token, "https://Shop.example:443", "https://shop.example", "http://localhost:3000"),
			&origins,
		)
		if got := ancestors(made.URL); got != "https://shop.example http://localhost:3000" || len(origins.Origins) != 2 {
			t.Errorf("frame-ancestors %s of %+v", got, origins)
		}
		// Neither another's page nor one with a wrong key, nor pages that lead to one.
		var link checkout.Link
		w.made(t, "/v1/payment_links", shop.token, map[string]any{"amount": 100}, &link)
		for _, address := range []string{foreign.URL, strings.Replace(made.URL, "key=", "key=x", 1), link.URL} {
			if got := ancestors(address); got != "'none'" {
				t.Errorf("%s: frame-ancestors %s", address, got)
			}
		}
		w.quiet(t)
		for _, bad := range []string{"https://shop.example/", "https://*.example", "https://x.example; script-src *", "null"} {
			w.refused(t, 400, "checkout.bad_origin", setOrigins("/v1", shop.token, "https://shop.example", bad))
		}
		w.refused(
			t,
			400,
			"request.bad_field",
			setOrigins("/merchant/v1", owner.token, make([]string, checkout.OriginsMax+1)...),
		)
		before := w.snapshot(t)
		w.ok(t, 200, setOrigins("/v1", shop.token, "https://shop.example", "http://localhost:3000"), nil)
		before.same(t, w.snapshot(t), "to set the same origins again")

		w.ok(t, 200, setOrigins("/merchant/v1", owner.token, "https://new.example"), nil)
		w.ok(t, 200, get("/merchant/v1/checkout_origins", owner.token), &origins)
		if !slices.Equal(origins.Origins, []string{"https://new.example"}) || ancestors(made.URL) != "https://new.example" {
			t.Errorf("by a person of the merchant: %+v", origins)
		}
		w.ok(t, 200, apitest.Request{
			Method: "PUT", Path: "/v1/checkout_origins", Token: shop.token, Body: `{"origins":[]}`,
		}, nil)
		if got := ancestors(made.URL); got != "'none'" {
			t.Errorf("taken away: frame-ancestors %s", got)
		}
		var events struct{ Data []struct{ Kind string } }
		w.ok(t, 200, get("/v1/events?kind=checkout_origins.changed", shop.token), &events)
		if len(events.Data) != 3 {
			t.Errorf("events %+v", events.Data)
		}
		if got := w.texts(
			t,
			"SELECT actor_kind FROM audit_records WHERE kind = 'checkout_origins.changed' ORDER BY id",
		); !slices.Equal(
			got,
			[]string{"merchant", "merchant_user", "merchant"},
		) {
			t.Errorf("records of %v", got)
		}
	})
}

// framing is a shop's page with a checkout in it, which keeps what it hears, and what it can see of the frame.
const framing = `<!doctype html><script>
	window.heard = [];
	addEventListener("message", (m) => heard.push(m.origin + " " + JSON.stringify(m.data)));
	</script><iframe id="frame" width="420" height="700" src=%q></iframe>`

// site serves a shop's page around an address. Its host is 127.0.0.1: for browsers another site than localhost, where
// the instance is.
func site(t *testing.T, address *string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, framing, *address)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func (b browser) evaluate(t *testing.T, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	said, err := chromedp.Run(ctx, chromedp.Evaluate[string]("String("+script+")"))
	must(t, err)
	return said
}

// becomes waits until an expression says what it should.
func (b browser) becomes(t *testing.T, script, want string) {
	t.Helper()
	said := ""
	for range 300 {
		if said = b.evaluate(t, script); said == want {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.shoot(t, "failed")
	t.Fatalf("%s is %q, not %q", script, said, want)
}

// frame attaches to the frame that shows a page: a process of its own, since it is another site.
func (b browser) frame(t *testing.T, path string) browser {
	t.Helper()
	for range 100 {
		known, err := chromedp.Targets(b.ctx)
		must(t, err)
		for _, info := range known {
			if info.Type == "iframe" && strings.Contains(info.URL, path) {
				ctx, leave := chromedp.NewContext(b.ctx, chromedp.WithTargetID(info.TargetID))
				t.Cleanup(leave)
				must(t, chromedp.Do(ctx)) // attached for as long as the test
				return browser{ctx}
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("no frame shows %s", path)
	return browser{}
}

// TestCheckoutInPage shows the page within the pages of two sites: in the one that the merchant named the payer signs in
// and pays, and the site hears each state and nothing else; the other one gets no page.
func TestCheckoutInPage(t *testing.T) {
	t.Parallel()
	w := start(t, "sqlite")
	payer, shop := w.person(t, 300_000), w.shop(t, party.NewMerchant{})
	b := w.browse(t)
	made := w.checkout(t, shop, map[string]any{"amount": 12_800, "return_url": w.Codes.Origin + "/healthz"})
	address := made.URL + "&lang=en"
	ours, stranger := site(t, &address), site(t, &address)
	w.ok(t, 200, setOrigins("/v1", shop.token, "https://shop.example", ours), nil)

	page := b.tab(t, 1280, 800)
	page.do(t, "open the shop's page", chromedp.Navigate(ours))
	state := func(state payment.State) string {
		return fmt.Sprintf(`%s {"type":"feiqian.checkout","state":%q}`, w.Codes.Origin, state)
	}
	page.becomes(t, `heard.join()`, state(payment.Created))
	frame := page.frame(t, "/pay/"+string(made.ID))
	open := `document.querySelector("[data-method=balance]").open = true`
	frame.evaluate(t, open)
	// Without the PIN nothing is paid, whatever a page around or over the frame makes the payer press.
	frame.evaluate(t, `document.getElementById("pay-do").click()`)
	known := w.codesSent(payer)
	frame.evaluate(
		t,
		fmt.Sprintf(`(document.getElementById("phone").value = %q, document.getElementById("password").value = %q,
		document.getElementById("enter-do").click())`, payer.phone, password),
	)
	frame.becomes(t, `document.getElementById("enter-code-row").hidden`, "false")
	frame.evaluate(
		t,
		fmt.Sprintf(`(document.getElementById("enter-code").value = %q, document.getElementById("enter-do").click())`,
			w.textCode(t, payer.phone, known)),
	)
	frame.becomes(
		t,
		`document.getElementById("pay").hidden + "" + document.getElementById("pay-do").disabled`,
		"falsefalse",
	)
	page.shoot(t, "in-page-signed-in")
	frame.evaluate(t, `document.getElementById("pay").noValidate = true`)
	frame.evaluate(t, `document.getElementById("pay-do").click()`)
	frame.becomes(t, `document.getElementById("said").textContent`, "The payment PIN is six digits")
	var read payment.Payment
	if w.ok(t, 200, get("/v1/payments/"+string(made.ID), shop.token), &read); read.State != payment.Created {
		t.Fatalf("without the PIN it is %s", read.State)
	}
	if got := frame.evaluate(t, `document.getElementById("passkey").hidden`); got != "true" {
		t.Error("a passkey is asked for in a frame, where the wallet takes none")
	}
	frame.evaluate(
		t,
		fmt.Sprintf(`(document.getElementById("pin").value = %q, document.getElementById("pay-do").click())`, pin),
	)
	page.becomes(t, `heard.at(-1)`, state(payment.Succeeded))
	page.shoot(t, "in-page-paid")
	// What it said: states of the payment, and no word more. The shop's page was not led away, and leads on by itself.
	for said := range strings.SplitSeq(page.evaluate(t, `heard.join("\n")`), "\n") {
		if said != state(payment.Created) && said != state(payment.Succeeded) {
			t.Errorf("the page heard %s", said)
		}
	}
	if got := frame.evaluate(t, `document.getElementById("back").target`); got != "_top" {
		t.Errorf("the way back opens in %q", got)
	}

	late := w.checkout(t, shop, map[string]any{"amount": 100})
	address = late.URL
	evil := b.tab(t, 1280, 800)
	evil.do(t, "open a stranger's page", chromedp.Navigate(stranger))
	evil.frame(t, "/pay/"+string(late.ID)).becomes(t, `location.href`, "chrome-error://chromewebdata/")
	if got := evil.evaluate(t, `heard.length`); got != "0" {
		t.Errorf("the stranger heard %s", got)
	}
	must(t, chromedp.Do(evil.ctx, chromedp.Navigate("about:blank")))
	// One that is over before it is looked at says so.
	w.ok(t, 200, shop.void(w, late.ID), nil)
	page.do(t, "open another", chromedp.Navigate(ours))
	page.becomes(t, `heard.join()`, state(payment.Voided))
	w.agree(t)
}
