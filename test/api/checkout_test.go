package api_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/checkout"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/qr"
)

const (
	androidPhone = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36"
	weChatPhone  = androidPhone + " MicroMessenger/8.0"
)

// page reads a page as a browser would and follows no redirect.
func (w *world) page(t testing.TB, address string, header map[string]string) apitest.Answer {
	t.Helper()
	parsed, err := url.Parse(address)
	must(t, err)
	_, answer := w.send(t, apitest.Request{Method: "GET", Path: parsed.RequestURI(), Header: header})
	return answer
}

func (w *world) checkout(t testing.TB, s shop, body map[string]any) checkout.Checkout {
	t.Helper()
	if body["currency"] == nil {
		body["currency"] = "CNY"
	}
	var out checkout.Checkout
	w.made(t, "/v1/checkouts", s.token, body, &out)
	return out
}

func (w *world) noRedirects() {
	w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
}

// TestCheckoutPage looks at the page of a payment through its life: what it shows, in which language, to whom, and how
// much there is to load.
func TestCheckoutPage(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.noRedirects()
		payer, shop := w.person(t, 10_000), w.shop(t, party.NewMerchant{FeeBps: 60})
		call := apitest.Request{Method: "POST", Path: "/v1/checkouts", Token: shop.token, Key: w.key(), Body: map[string]any{
			"amount": 1_999, "currency": "CNY", "reference": "secret-reference", "description": `<script>alert("tea")</script>`,
			"return_url": "https://shop.example/thanks?cart=1", "cancel_url": "https://shop.example/cart",
		}}
		var made checkout.Checkout
		w.ok(t, 201, call, &made)
		if again := w.ok(t, 201, call, nil); again.Header.Get("Idempotent-Replayed") != "true" ||
			!strings.Contains(string(again.Body), made.URL) {
			t.Errorf("replayed: %s", again.Body)
		}
		if made.URL == "" || made.Payment.State != payment.Created || made.Payment.Minor != 1_999 {
			t.Fatalf("made %+v", made)
		}
		var events struct{ Data []json.RawMessage }
		events0 := w.ok(t, 200, get("/v1/events", shop.token), &events)
		parsed, err := url.Parse(made.URL)
		must(t, err)
		if key := parsed.Query().Get("key"); key == "" || strings.Contains(string(events0.Body), key) {
			t.Errorf("the page's secret is in the events, or none: %q", key)
		}

		shown := w.page(t, made.URL, map[string]string{"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"})
		text := string(shown.Body)
		nonce := regexp.MustCompile(`script-src 'nonce-([A-Z2-7]+)'`).
			FindStringSubmatch(shown.Header.Get("Content-Security-Policy"))
		if shown.Status != 200 || nonce == nil || strings.Count(text, `nonce="`+nonce[1]+`"`) != 3 ||
			!strings.Contains(shown.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%d %s", shown.Status, shown.Header.Get("Content-Security-Policy"))
		}
		for _, want := range []string{`lang="zh-CN"`, "¥19.99", "手机扫码", "推荐", "<svg ", "&lt;script&gt;alert", "不付款，返回商户"} {
			if !strings.Contains(text, want) {
				t.Errorf("the page lacks %q", want)
			}
		}
		// A merchant's own number, fee and keys, and other people's data, are nobody's business here.
		for _, never := range []string{"secret-reference", string(shop.id), shop.token, "fee", payer.phone, "<script>alert"} {
			if strings.Contains(text, never) {
				t.Errorf("the page shows %q", never)
			}
		}
		if len(text) > 60_000 {
			t.Errorf("the page and all it loads is %d bytes, want at most 60000 even without compression", len(text))
		}
		if strings.Contains(text, " src=") || strings.Contains(text, "stylesheet") {
			t.Error("the page loads something else")
		}
		english := w.page(t, made.URL, map[string]string{"Accept-Language": "en-GB", "User-Agent": androidPhone})
		if text = string(english.Body); !strings.Contains(text, `lang="en"`) || !strings.Contains(text, "Time left") ||
			strings.Index(text, `data-method="balance"`) > strings.Index(text, `data-method="phone"`) {
			t.Error("on a phone in English the balance is not first, or the page is not English")
		}
		switched := w.page(t, made.URL+"&lang=en", nil)
		if !strings.Contains(string(switched.Body), "Ways to pay") {
			t.Error("the switch does not switch")
		}

		w.quiet(t)
		before := w.snapshot(t)
		wrong := strings.Replace(made.URL, "key=", "key=x", 1)
		for _, address := range []string{
			wrong, strings.Split(made.URL, "?")[0], strings.Replace(made.URL, "pay_", "pay_0", 1),
			"/pay/pay_01kanq4j3qf8yt0v5d7r2m9xce?key=" + parsed.Query().Get("key"), "/q/p" + strings.Repeat("0", 48), "/q/c", "/l/x",
		} {
			if answer := w.page(t, address, nil); answer.Status != 404 || strings.Contains(string(answer.Body), "19.99") {
				t.Errorf("%s: %d", address, answer.Status)
			}
		}
		if answer := w.page(t, strings.Replace(wrong, "?", "/state?", 1), nil); answer.Status != 404 {
			t.Errorf("state with a wrong key: %d", answer.Status)
		}
		before.same(t, w.snapshot(t), "looking at pages")

		var ways struct{ Data []checkout.Way }
		w.ok(t, 200, get("/wallet/v1/payment_ways?payment_id="+string(made.ID), payer.token), &ways)
		if best := ways.Data[0]; best.Method != "balance" || !best.Usable || best.Left == nil || *best.Left != 10_000 ||
			best.Factors[0] != "pin" {
			t.Errorf("ways %+v", ways.Data)
		}
		w.ok(t, 200, payer.confirm(w, made.ID), nil)
		result := w.page(t, made.URL+"&lang=en", nil)
		if text = string(result.Body); !strings.Contains(text, "Paid") || strings.Contains(text, `id="wallet"`) ||
			!strings.Contains(text, "https://shop.example/thanks?cart=1&amp;payment_id="+string(made.ID)) {
			t.Errorf("the result: %.3000s", text)
		}
		if strings.Contains(text, payer.phone) || strings.Contains(text, string(payer.id)) {
			t.Error("the result shows the payer")
		}
		w.agree(t)
	})
}

// TestCheckoutManualCapture shows the payer the most that the merchant may take, and says confirmed, not paid.
func TestCheckoutManualCapture(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		payer, shop := w.person(t, 50_000), w.shop(t, party.NewMerchant{})
		made := w.checkout(t, shop, map[string]any{
			"amount": 10_000, "capture": "manual", "amount_max": 15_000, "metadata": map[string]any{"room": "secret-room"},
		})
		text := string(w.page(t, made.URL+"&lang=en", nil).Body)
		if !strings.Contains(text, "at most ¥150.00") || strings.Contains(text, "secret-room") {
			t.Error("the page does not say how much the shop may take, or shows metadata")
		}
		w.ok(t, 200, payer.confirm(w, made.ID), nil)
		text = string(w.page(t, made.URL+"&lang=en", nil).Body)
		if !strings.Contains(text, "<h1>Confirmed</h1>") || strings.Contains(text, "<h1>Paid</h1>") {
			t.Error("the page does not say confirmed")
		}
		w.agree(t)
	})
}

// TestCheckoutCreate refuses what no page should be made of.
func TestCheckoutCreate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		shop := w.shop(t, party.NewMerchant{})
		w.checkout(t, shop, map[string]any{"amount": 1, "reference": "once", "return_url": "http://localhost:3000/back"})
		w.quiet(t)
		body := func(more map[string]any) apitest.Request {
			call := shop.order(w, 100, more)
			call.Path = "/v1/checkouts"
			return call
		}
		w.refused(t, 409, "payment.reference_used", body(map[string]any{"reference": "once"}))
		for _, address := range []string{
			"shop.example", "/back", "javascript:alert(1)", "ftp://shop.example/", "https://user:word@shop.example/",
			"https://shop.example/#part", "https:///x", "https://shop.example/\\evil", "https://shop.example/ x",
			"data:text/html,x", "//shop.example",
		} {
			problem := w.refused(t, 400, "checkout.bad_url", body(map[string]any{"return_url": address}))
			if problem.Param != "return_url" {
				t.Errorf("%s: %+v", address, problem)
			}
			w.refused(t, 400, "checkout.bad_url", body(map[string]any{"cancel_url": address}))
		}
		for _, wrong := range []map[string]any{{"uses_max": -1}, {"uses_max": 1_000_001}, {"expires_in": 31_622_401}} {
			w.refused(t, 400, "request.bad_field", apitest.Request{
				Method: "POST", Path: "/v1/payment_links", Token: shop.token, Key: w.key(), Body: wrong,
			})
		}
		before := w.snapshot(t)
		dry := body(nil)
		dry.Path += "?dry_run=true"
		w.ok(t, 201, dry, nil)
		before.same(t, w.snapshot(t), "a dry run")
	})
}

// TestCheckoutLive says what a live instance lacks that does not know its own address.
func TestCheckoutLive(t *testing.T) {
	t.Parallel()
	live := func(cfg *config.Config) { cfg.Mode = config.Live }
	w := start(t, "sqlite", live)
	shop := w.shop(t, party.NewMerchant{})
	call := shop.order(w, 100, nil)
	call.Path = "/v1/checkouts"
	w.refused(t, 409, "qr.no_origin", call)
	w = start(t, "sqlite", live, func(cfg *config.Config) { cfg.WebOrigins = "https://pay.example" })
	shop = w.shop(t, party.NewMerchant{})
	call = shop.order(w, 100, map[string]any{"return_url": "http://shop.example/"})
	call.Path = "/v1/checkouts"
	w.refused(t, 400, "checkout.bad_url", call)
	made := w.checkout(t, shop, map[string]any{"amount": 100, "return_url": "https://shop.example/"})
	if !strings.HasPrefix(made.URL, "https://pay.example/pay/pay_") {
		t.Errorf("the page is at %s", made.URL)
	}
}

// TestPaymentLink makes payments by a link, as often as it may.
func TestPaymentLink(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.noRedirects()
		payer, shop := w.person(t, 10_000), w.shop(t, party.NewMerchant{})
		var link checkout.Link
		w.made(t, "/v1/payment_links", shop.token, map[string]any{
			"description": "Donation", "uses_max": 2, "expires_in": 86_400 * 2, "return_url": "https://shop.example/",
		}, &link)
		path := strings.TrimPrefix(link.URL, w.Codes.Origin)
		w.quiet(t)
		before := w.snapshot(t)
		shown := w.page(t, path+"?lang=en", nil)
		if text := string(shown.Body); shown.Status != 200 || !strings.Contains(text, "Donation") ||
			!strings.Contains(text, "Amount to pay") {
			t.Errorf("%d %s", shown.Status, text)
		}
		before.same(t, w.snapshot(t), "a look at a link")
		use := func(amount string) apitest.Answer {
			_, answer := w.send(t, apitest.Request{
				Method: "POST", Path: path + "?lang=en", Body: "amount=" + url.QueryEscape(amount),
				Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
			})
			return answer
		}
		for _, wrong := range []string{"", "0", "-1", "1.234", "x", "99999999999999999999"} {
			if answer := use(wrong); answer.Status != 422 {
				t.Errorf("amount %q: %d", wrong, answer.Status)
			}
		}
		before.same(t, w.snapshot(t), "wrong amounts")
		first, second := use("12.50"), use("3")
		if first.Status != 303 || second.Status != 303 || first.Header.Get("Location") == second.Header.Get("Location") {
			t.Fatalf("%d %d", first.Status, second.Status)
		}
		if answer := use("1"); answer.Status != 410 {
			t.Errorf("a third use: %d", answer.Status)
		}
		page := w.page(t, first.Header.Get("Location"), nil)
		if page.Status != 200 || !strings.Contains(string(page.Body), "¥12.50") {
			t.Errorf("%d", page.Status)
		}
		name := id.Payment(regexp.MustCompile(`pay_\w+`).FindString(first.Header.Get("Location")))
		w.ok(t, 200, payer.confirm(w, name), nil)
		var got checkout.Checkout
		w.ok(t, 200, get("/v1/checkouts/"+string(name), shop.token), &got)
		if got.Link != link.ID || got.Payment.State != payment.Succeeded || got.ReturnURL != "https://shop.example/" {
			t.Errorf("the merchant sees %+v", got)
		}
		// The one that nobody paid expires, and its use is given back once.
		w.Clock.Advance(payment.ExpiryDefault + time.Minute)
		other := id.Payment(regexp.MustCompile(`pay_\w+`).FindString(second.Header.Get("Location")))
		w.until(t, other, payment.Expired, shop)
		if answer := use("4"); answer.Status != 303 {
			t.Errorf("after one expired: %d", answer.Status)
		}
		if answer := use("4"); answer.Status != 410 {
			t.Errorf("given back twice: %d", answer.Status)
		}
		w.ok(t, 200, get("/v1/payment_links/"+string(link.ID), shop.token), &link)
		if link.Uses != 2 {
			t.Errorf("uses %d", link.Uses)
		}
		w.ok(t, 200, apitest.Request{
			Method: "POST", Path: "/v1/payment_links/" + string(link.ID) + "/disable", Token: shop.token,
		}, &link)
		if answer := w.page(t, path, nil); answer.Status != 410 || link.State != checkout.LinkDisabled {
			t.Errorf("disabled: %d", answer.Status)
		}
		w.made(t, "/v1/payment_links", shop.token, map[string]any{"amount": 100, "expires_in": 60}, &link)
		w.Clock.Advance(time.Hour)
		if answer := w.page(t, strings.TrimPrefix(link.URL, w.Codes.Origin), nil); answer.Status != 410 {
			t.Errorf("expired: %d", answer.Status)
		}
		w.agree(t)
	})
}

// until waits for a state that work beside the requests brings.
func (w *world) until(t testing.TB, name id.Payment, state payment.State, s shop) {
	t.Helper()
	for range 100 {
		var seen payment.Payment
		if w.ok(t, 200, get("/v1/payments/"+string(name), s.token), &seen); seen.State == state {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("%s does not become %s", name, state)
}

// TestPaymentLinkRace uses the last use of a link from several places at once.
func TestPaymentLinkRace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.noRedirects()
		shop := w.shop(t, party.NewMerchant{})
		var link checkout.Link
		w.made(t, "/v1/payment_links", shop.token, map[string]any{"amount": 100, "uses_max": 3}, &link)
		var group sync.WaitGroup
		statuses := make(chan int, 12)
		for range cap(statuses) {
			group.Go(func() {
				_, answer := w.send(t, apitest.Request{
					Method: "POST", Path: strings.TrimPrefix(link.URL, w.Codes.Origin), Body: "",
					Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
				})
				statuses <- answer.Status
			})
		}
		group.Wait()
		close(statuses)
		made := 0
		for status := range statuses {
			if status == 303 {
				made++
			}
		}
		if made != 3 {
			t.Errorf("made %d payments, want 3", made)
		}
	})
}

// TestLanding sends payers on by the app that scanned.
func TestLanding(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.noRedirects()
		payee, shop := w.person(t, 0), w.shop(t, party.NewMerchant{})
		order := w.created(t, shop, 1_234)
		var shown qr.Presented
		w.ok(t, 200, get("/v1/payments/"+string(order.ID)+"/qr_code", shop.token), &shown)
		for agent, via := range map[string]string{
			androidPhone: "", "FeiqianWallet/1.0 " + androidPhone: "", weChatPhone: "wechat",
			androidPhone + " AlipayClient/10.5": "alipay", androidPhone + " CloudPay UnionPay/1.0": "unionpay",
		} {
			answer := w.page(t, shown.URL, map[string]string{"User-Agent": agent})
			to, err := url.Parse(answer.Header.Get("Location"))
			must(t, err)
			if answer.Status != 303 || to.Path != "/pay/"+string(order.ID) || to.Query().Get("via") != via {
				t.Errorf("%s: %d %s", agent, answer.Status, to)
			}
			page := w.page(t, to.String(), map[string]string{"User-Agent": agent})
			if says := strings.Contains(string(page.Body), "尚未开通"); page.Status != 200 || says != (via != "") {
				t.Errorf("%s: %d, says that the way is missing: %v", agent, page.Status, says)
			}
		}
		var printed, personal qr.Code
		w.made(t, "/v1/qr_codes", shop.token, map[string]any{}, &printed)
		page := string(w.page(t, printed.URL, map[string]string{"User-Agent": weChatPhone}).Body)
		if !strings.Contains(page, `data-mode="code"`) || !strings.Contains(page, "微信支付") || !strings.Contains(page, "付款金额") {
			t.Error("a store's code shows no page to pay")
		}
		w.ok(t, 201, apitest.Request{
			Method: "POST", Path: "/wallet/v1/qr_codes", Token: payee.token, Body: map[string]any{},
		}, &personal)
		page = string(w.page(t, personal.URL, nil).Body)
		if !strings.Contains(page, "请打开飞钱钱包扫描此码") || strings.Contains(page, "Person of Test") ||
			strings.Contains(page, "<form") {
			t.Error("a person's code can be paid from afar, or shows the name")
		}
	})
}

// TestReturnRace opens results, streams, polls and reads events while payers confirm: whoever says paid says it after
// the payment is, and all tell the same in the end.
func TestReturnRace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		payer, shop := w.person(t, 100_000), w.shop(t, party.NewMerchant{FeeBps: 60})
		for range 5 {
			made := w.checkout(t, shop, map[string]any{"amount": 100, "return_url": "https://shop.example/"})
			stream := w.stream(t, made.URL)
			if first := <-stream; !strings.Contains(first, `"phase":"open"`) {
				t.Fatalf("the stream begins with %s", first)
			}
			var group sync.WaitGroup
			for range 3 {
				group.Go(func() { // the payer comes back early: the page says paid only where the API does
					for range 6 {
						said := strings.Contains(string(w.page(t, made.URL, nil).Body), `class="result paid"`)
						var told payment.Payment
						w.ok(t, 200, get("/v1/payments/"+string(made.ID), shop.token), &told)
						if said && told.State != payment.Succeeded {
							t.Errorf("the page said paid, the API says %s", told.State)
						}
					}
				})
			}
			group.Go(func() { w.ok(t, 200, payer.confirm(w, made.ID), nil) })
			group.Wait()
			select {
			case last := <-stream:
				if !strings.Contains(last, `"state":"succeeded"`) || !strings.Contains(last, `"phase":"paid"`) {
					t.Errorf("the stream says %s", last)
				}
			case <-time.After(20 * time.Second):
				t.Error("the stream says nothing")
			}
			if _, open := <-stream; open {
				t.Error("the stream goes on behind a final state")
			}
			if !strings.Contains(string(w.page(t, made.URL, nil).Body), `class="result paid"`) {
				t.Error("the page does not say paid")
			}
			var events struct{ Data []struct{ Kind string } }
			w.ok(t, 200, get("/v1/events?subject="+string(made.ID), shop.token), &events)
			if len(events.Data) != 2 || events.Data[1].Kind != "payment.succeeded" {
				t.Errorf("events %+v", events.Data)
			}
		}
		voided := w.checkout(t, shop, map[string]any{"amount": 100})
		stream := w.stream(t, voided.URL)
		<-stream
		w.ok(t, 200, shop.void(w, voided.ID), nil)
		if last := <-stream; !strings.Contains(last, `"phase":"closed"`) {
			t.Errorf("the stream says %s", last)
		}
		if !strings.Contains(string(w.page(t, voided.URL+"&lang=en", nil).Body), "called this payment off") {
			t.Error("the page does not say that it is voided")
		}
		w.agree(t)
	})
}

// stream reads the data of a page's events; the channel is closed when the server ends them.
func (w *world) stream(t testing.TB, address string) <-chan string {
	t.Helper()
	parsed, err := url.Parse(address)
	must(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		w.url+parsed.Path+"/events?"+parsed.RawQuery, nil)
	must(t, err)
	response, err := w.client.Do(request) //nolint:bodyclose // the goroutine below closes it
	must(t, err)
	if got := response.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Fatalf("%d %s", response.StatusCode, got)
	}
	out := make(chan string, 8)
	go func() {
		defer close(out)
		defer response.Body.Close()
		lines := bufio.NewScanner(response.Body)
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				out <- data
			}
		}
	}()
	return out
}

// TestWays says why a way is best or can't be used.
func TestWays(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		shop, poor, class1 := w.shop(t, party.NewMerchant{}), w.person(t, 50), w.person(t, 200_000)
		must(t, w.Parties.ChangeClass(t.Context(), class1.id, 1))
		first := func(p person, query string) []checkout.Way {
			var ways struct{ Data []checkout.Way }
			w.ok(t, 200, get("/wallet/v1/payment_ways?"+query, p.token), &ways)
			return ways.Data
		}
		small, large := w.created(t, shop, 100), w.created(t, shop, 150_000)
		ways := first(poor, "payment_id="+string(small.ID))
		if ways[0].Method != "phone" || ways[1].Usable || !strings.Contains(ways[1].Reason.English, "top up") {
			t.Errorf("without money: %+v", ways)
		}
		ways = first(class1, "payment_id="+string(large.ID))
		if ways[0].Method != "phone" || ways[1].Usable || !strings.Contains(ways[1].Reason.English, "Class I") ||
			*ways[1].Left != 100_000 {
			t.Errorf("over the class's limit: %+v", ways)
		}
		var code qr.Code
		w.made(t, "/v1/qr_codes", shop.token, map[string]any{}, &code)
		ways = first(class1, "qr_code_id="+string(code.ID)+"&amount=60000")
		if ways[0].Usable || *ways[0].Left != 50_000 || ways[0].Method != "balance" {
			t.Errorf("over level D: %+v", ways)
		}
		w.refused(t, 400, "request.bad_field", get("/wallet/v1/payment_ways", poor.token))
		w.refused(
			t,
			404,
			"qr.not_found",
			get("/wallet/v1/payment_ways?amount=1&qr_code_id=qrc_01kanq4j3qf8yt0v5d7r2m9xce", poor.token),
		)
	})
}
