package sdk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/makiuchi-d/gozxing"
	gozxingqr "github.com/makiuchi-d/gozxing/qrcode"

	"github.com/feiqian/feiqian/internal/app"
	"github.com/feiqian/feiqian/internal/auth"
	feiqian "github.com/feiqian/feiqian/sdk/go"
)

// TestShopInBrowsers sells as people buy: by checkout in the buyer's browser, and by the code on that screen with the
// phone, a browser of its own. One sale comes back through a review. What the shop heard by webhooks is what the API says.
func TestShopInBrowsers(t *testing.T) {
	t.Parallel()
	on := start(t)
	who := on.signIn(t)
	desk, phone := browse(t), browse(t) // two browsers: nothing of the one is known to the other
	client, err := feiqian.New(on.world.Merchants[0].Key, feiqian.WithBaseURL(on.URL))
	if err != nil {
		t.Fatal(err)
	}
	address := free(t)
	hook, err := client.WebhookEndpoints.Create(t.Context(), feiqian.NewWebhookEndpoint{
		URL: "http://" + address + "/webhooks", Kinds: []string{"payment.*", "refund.*"},
	})
	if err != nil {
		t.Fatal(err)
	}
	shop := openAt(t, who, address, hook.Secret, "SHOP_SDK="+t.TempDir()) // without the SDK the link is a link

	// By checkout, in one browser.
	tea := desk.buys(t, shop, "tea")
	desk.run(t, `document.getElementById("checkout").click()`)
	desk.want(t, `String(location.pathname.startsWith("/pay/"))`, "true")
	desk.run(t, `document.querySelector("[data-method=balance]").open = true`)
	desk.pays(t, on, who)
	desk.want(t, `location.pathname`, strings.TrimPrefix(tea, shop)) // it goes back by itself
	desk.want(t, `document.getElementById("state").textContent`, "succeeded")

	// By the code on the screen, with the phone.
	fan := desk.buys(t, shop, "fan")
	desk.run(t, `document.getElementById("checkout").click()`)
	desk.want(t, `String(document.querySelector(".code svg") !== null)`, "true")
	scanned := phone.reads(t, desk, ".code svg")
	if !strings.HasPrefix(scanned, "http") || !strings.Contains(scanned, "/q/") {
		t.Fatalf("the code says %q", scanned)
	}
	phone.opens(t, scanned)
	phone.run(t, `document.querySelector("[data-method=balance]").open = true`)
	phone.pays(t, on, who)
	phone.want(t, `document.body.dataset.phase`, "paid")
	desk.want(t, `location.pathname`, strings.TrimPrefix(fan, shop)) // nobody touched it
	desk.want(t, `document.getElementById("state").textContent`, "succeeded")

	// Back through a review.
	_, err = client.Refunds.SetRules(t.Context(), feiqian.NewRefundRules{PayerRequests: "review", ReviewAbove: 1})
	if err != nil {
		t.Fatal(err)
	}
	desk.run(t, `document.querySelector("form[action$='/refund'] button").click()`)
	desk.want(t, `document.querySelector(".refund")?.textContent`, "in_review")
	name := payment.FindStringSubmatch(fetch(t, fan))[1]
	on.approve(t, client, name)
	desk.opens(t, fan)
	desk.want(t, `document.querySelector(".refund")?.textContent`, "succeeded")

	heard(t, client, hook.ID, tea, fan)
}

// free returns an address that nobody listens at.
func free(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// opens shows any page.
func (b tab) opens(t *testing.T, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 60*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(address)); err != nil {
		t.Fatal(err)
	}
}

// buys presses a good's button and returns the order's address.
func (b tab) buys(t *testing.T, shop, good string) string {
	t.Helper()
	b.opens(t, shop)
	b.run(t, fmt.Sprintf(`document.querySelector("input[value=%s]").form.querySelector("button").click()`, good))
	b.want(t, `String(document.getElementById("checkout") !== null)`, "true")
	at, err := b.ask("location.href")
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// pays signs a payer in where the page asks for it, and types the PIN.
func (b tab) pays(t *testing.T, on *platform, who *payer) {
	t.Helper()
	person := on.world.Customers[0]
	typed := func(field, text string) {
		b.run(t, fmt.Sprintf(`document.getElementById(%q).value = %q`, field, text))
	}
	shown := func(field string) string {
		return fmt.Sprintf(`String(document.getElementById(%q)?.checkVisibility() ?? false)`, field)
	}
	b.want(t, `String(["enter-do", "pay-do"].some((id) => document.getElementById(id)?.checkVisibility()))`, "true")
	if signed, err := b.ask(shown("pay-do")); err != nil || signed != "true" {
		known := len(on.texts(t, person.Phone))
		typed("phone", person.Phone)
		typed("password", person.Password)
		b.run(t, `document.getElementById("enter-do").click()`)
		b.want(t, shown("enter-code"), "true")
		typed("enter-code", on.nextText(t, person.Phone, known))
		b.run(t, `document.getElementById("enter-do").click()`)
		b.want(t, shown("pay-do"), "true")
	}
	typed("pin", who.pin)
	b.run(t, `document.getElementById("pay-do").click()`)
}

// reads is the phone's camera: it looks at the code on another browser's screen, eight pixels a module.
func (b tab) reads(t *testing.T, screen tab, element string) string {
	t.Helper()
	shown, err := screen.ask(fmt.Sprintf(`document.querySelector(%q).outerHTML`, element))
	if err != nil {
		t.Fatal(err)
	}
	b.opens(t, "about:blank")
	b.run(t, fmt.Sprintf(`(() => {
		document.body.style.margin = 0;
		document.body.innerHTML = %q;
		const code = document.querySelector("svg");
		code.style.cssText = "display:block;width:" + code.viewBox.baseVal.width * 8 + "px";
	})()`, shown))
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.Screenshot(chromedp.CSS("svg")))
	if err != nil {
		t.Fatal(err)
	}
	drawn, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(drawn)
	if err != nil {
		t.Fatal(err)
	}
	hints := make(map[gozxing.DecodeHintType]any)
	hints[gozxing.DecodeHintType_PURE_BARCODE] = true
	result, err := gozxingqr.NewQRCodeReader().Decode(bitmap, hints)
	if err != nil {
		t.Fatal(err)
	}
	return result.GetText()
}

// texts are the codes that a phone got.
func (p *platform) texts(t *testing.T, phone string) []string {
	t.Helper()
	response, err := http.Get(p.SMSURL + "/control/messages?phone=" + url.QueryEscape(phone))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return sixDigits.FindAllString(string(body), -1)
}

// nextText waits for the code behind those that are known.
func (p *platform) nextText(t *testing.T, phone string, known int) string {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < 20*time.Second; time.Sleep(50 * time.Millisecond) {
		if found := p.texts(t, phone); len(found) > known {
			return found[len(found)-1]
		}
	}
	t.Fatal("no text came")
	return ""
}

// approve lets the refund of a payment through, as the merchant's owner: who asks does not approve, and a key is no
// person.
func (p *platform) approve(t *testing.T, client *feiqian.Client, name string) {
	t.Helper()
	refunds, err := client.Payments.Refunds(t.Context(), name)
	if err != nil || len(refunds) != 1 {
		t.Fatalf("%+v %v", refunds, err)
	}
	code, err := auth.TOTPCode(app.SandboxTOTP, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	merchant, owner := p.world.Merchants[0], &payer{t: t, on: p}
	var in struct{ Token string }
	owner.call("POST", "/merchant/v1/login", map[string]any{
		"email": merchant.OwnerEmail, "password": merchant.OwnerPassword, "totp": code,
	}, &in)
	owner.token = in.Token
	owner.call("POST", "/merchant/v1/refunds/"+refunds[0].ID+"/approve", map[string]any{"note": "as agreed"}, nil)
}

// heard compares the shop's webhooks with the events of the API, and with the log of deliveries.
func heard(t *testing.T, client *feiqian.Client, endpoint string, orders ...string) {
	t.Helper()
	for _, order := range orders {
		name := payment.FindStringSubmatch(fetch(t, order))[1]
		want := eventsOf(t, client, name)
		eventually := time.Now().Add(20 * time.Second)
		for {
			page := fetch(t, order)
			missing := slices.DeleteFunc(slices.Clone(want), func(event string) bool { return strings.Contains(page, event) })
			if len(missing) == 0 && strings.Count(page, "<code>evt_") == len(want) {
				break
			}
			if time.Now().After(eventually) {
				t.Fatalf("the shop lacks %v, or shows more than %v: %s", missing, want, page)
			}
			time.Sleep(50 * time.Millisecond)
		}
		for _, event := range want {
			delivered(t, client, endpoint, event)
		}
	}
}

// eventsOf are the ids of the events about a payment and its refunds.
func eventsOf(t *testing.T, client *feiqian.Client, name string) []string {
	t.Helper()
	var out []string
	for event, err := range client.Events.All(t.Context(), feiqian.EventFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(event.Data)
		if err != nil {
			t.Fatal(err)
		}
		if event.Subject == name || strings.Contains(string(text), `"payment_id":"`+name) {
			out = append(out, event.ID)
		}
	}
	return out
}

// delivered wants one successful delivery of an event in the log.
func delivered(t *testing.T, client *feiqian.Client, endpoint, event string) {
	t.Helper()
	var tries []feiqian.WebhookDelivery
	for begun := time.Now(); time.Since(begun) < 20*time.Second && len(tries) == 0; time.Sleep(50 * time.Millisecond) {
		for try, err := range client.WebhookEndpoints.Deliveries(t.Context(), endpoint, feiqian.WebhookDeliveryFilter{
			EventID: event,
		}) {
			if err != nil {
				t.Fatal(err)
			}
			tries = append(tries, try)
		}
	}
	if len(tries) != 1 || tries[0].State != "succeeded" {
		t.Errorf("%s was delivered by %+v", event, tries)
	}
}
