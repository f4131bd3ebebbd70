package api_test

import (
	"bytes"
	"image/png"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	gozxingqr "github.com/makiuchi-d/gozxing/qrcode"

	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/emvqr"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/qr"
)

// made posts with a fresh key and wants 201.
func (w *world) made(t testing.TB, path, token string, body map[string]any, into any) {
	t.Helper()
	w.ok(t, 201, apitest.Request{Method: "POST", Path: path, Token: token, Key: w.key(), Body: body}, into)
}

func (w *world) scan(t testing.TB, p person, data string) qr.Scanned {
	t.Helper()
	var out qr.Scanned
	w.ok(t, 200, scanning(p, data), &out)
	return out
}

func scanning(p person, data string) apitest.Request {
	return apitest.Request{
		Method: "POST", Path: "/wallet/v1/scan", Token: p.token, Body: map[string]any{"data": data},
	}
}

func (p person) payCode(w *world, path string, more map[string]any) apitest.Request {
	body := map[string]any{"pin": pin}
	maps.Copy(body, more)
	return apitest.Request{Method: "POST", Path: path, Token: p.token, Key: w.key(), Body: body}
}

// readPicture reads the text of a code that fills its picture. The library's search for the corners of a code
// anywhere in a picture fails on one code in a hundred, at random (it divides by zero), so it is not asked to search.
func readPicture(t testing.TB, picture []byte) string {
	t.Helper()
	drawn, err := png.Decode(bytes.NewReader(picture))
	must(t, err)
	bitmap, err := gozxing.NewBinaryBitmapFromImage(drawn)
	must(t, err)
	hints := make(map[gozxing.DecodeHintType]any)
	hints[gozxing.DecodeHintType_PURE_BARCODE] = true
	result, err := gozxingqr.NewQRCodeReader().Decode(bitmap, hints)
	must(t, err)
	return result.GetText()
}

// TestStoreCode prints a store's code, scans it in both forms, and pays it in one commit.
func TestStoreCode(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		payer, shop := w.person(t, 200_000), w.shop(t, party.NewMerchant{FeeBps: 60})
		store, err := w.Parties.CreateStore(t.Context(), party.NewStore{Merchant: shop.id, Name: "前门店"})
		must(t, err)
		var code qr.Code
		w.made(t, "/v1/qr_codes", shop.token, map[string]any{"store_id": store.ID, "description": "茶"}, &code)
		emv, err := emvqr.Parse(code.EMV, emvqr.Strict)
		must(t, err)
		if emv.Initiation() != emvqr.Static || emv.Get("53") != "156" || emv.Get("62", "03") != "前门店" {
			t.Errorf("EMV code %s", code.EMV)
		}
		picture := w.ok(t, 200, get("/v1/qr_codes/"+string(code.ID)+"/image?size=300", shop.token), nil)
		if got := readPicture(t, picture.Body); got != code.URL {
			t.Errorf("the picture says %q, want %q", got, code.URL)
		}
		picture = w.ok(t, 200, get("/v1/qr_codes/"+string(code.ID)+"/image?content=emv", shop.token), nil)
		if got := readPicture(t, picture.Body); got != code.EMV {
			t.Errorf("the picture says %q, want %q", got, code.EMV)
		}
		drawn := w.ok(t, 200, get("/v1/qr_codes/"+string(code.ID)+"/image?format=svg", shop.token), nil)
		if !strings.HasPrefix(string(drawn.Body), "<svg ") || drawn.Header.Get("Content-Type") != "image/svg+xml" {
			t.Errorf("%s: %.60s", drawn.Header.Get("Content-Type"), drawn.Body)
		}
		for _, data := range []string{code.URL, code.EMV} {
			scanned := w.scan(t, payer, data)
			if scanned.Kind != qr.IsStore || scanned.Next != qr.NextEnterAmount || scanned.Payee.StoreName != "前门店" ||
				scanned.Path != "/wallet/v1/qr_codes/"+string(code.ID)+"/pay" {
				t.Errorf("scanned %+v", scanned)
			}
		}
		path := "/wallet/v1/qr_codes/" + string(code.ID) + "/pay"
		w.quiet(t)
		w.refused(t, 400, "qr.amount_required", payer.payCode(w, path, nil))
		w.refused(t, 400, "qr.wrong_amount", payer.payCode(w, path, map[string]any{"amount": 5, "currency": "EUR"}))
		w.refused(
			t,
			409,
			"qr.wrong_kind",
			payer.payCode(w, strings.Replace(path, "/pay", "/transfer", 1), map[string]any{"amount": 5}),
		)
		dry := payer.payCode(w, path+"?dry_run=true", map[string]any{"amount": 1_000})
		before := w.snapshot(t)
		w.ok(t, 201, dry, nil)
		before.same(t, w.snapshot(t), "a dry run")
		call := payer.payCode(w, path, map[string]any{"amount": 20_000})
		var paid payment.PayerView
		w.ok(t, 201, call, &paid)
		again := w.ok(t, 201, call, nil)
		if paid.State != payment.Succeeded || again.Header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("paid %+v, replayed %q", paid, again.Header.Get("Idempotent-Replayed"))
		}
		var shown payment.Payment
		w.ok(t, 200, get("/v1/payments/"+string(paid.ID), shop.token), &shown)
		if shown.Store != store.ID || shown.Fee.Minor != 120 || shown.Description != "茶" {
			t.Errorf("the merchant sees %+v", shown)
		}
		var events struct {
			Data []struct{ Kind string } `json:"data"`
		}
		w.ok(t, 200, get("/v1/events?subject="+string(paid.ID), shop.token), &events)
		if len(events.Data) != 1 || events.Data[0].Kind != "payment.succeeded" {
			t.Errorf("events %+v", events.Data)
		}
		// Level D of the QR limits: 500 CNY a day by static codes, whatever the proof.
		w.quiet(t)
		w.refused(t, 409, "limit.exceeded", payer.payCode(w, path, map[string]any{"amount": 30_001}))
		w.ok(t, 201, payer.payCode(w, path, map[string]any{"amount": 30_000}), nil)
		w.ok(t, 200, payer.confirm(w, w.created(t, shop, 100).ID), nil)
		w.ok(t, 200, apitest.Request{
			Method: "POST", Path: "/v1/qr_codes/" + string(code.ID) + "/disable", Token: shop.token,
		}, &code)
		w.quiet(t)
		w.refused(t, 409, "qr.disabled", payer.payCode(w, path, map[string]any{"amount": 1}))
		w.refused(t, 409, "qr.disabled", scanning(payer, code.URL))
		w.ok(t, 201, call, nil) // what was paid stays answered
		w.agree(t)
	})
}

// TestFixedCode asks for its own amount and no other, and for a second factor where the payment would.
func TestFixedCode(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		payer, shop := w.person(t, 60_000), w.shop(t, party.NewMerchant{})
		var code qr.Code
		w.made(t, "/v1/qr_codes", shop.token, map[string]any{"amount": 45_000}, &code)
		path := "/wallet/v1/qr_codes/" + string(code.ID) + "/pay"
		if scanned := w.scan(t, payer, code.EMV); scanned.Next != qr.NextPayCode || scanned.Payee.Minor != 45_000 {
			t.Errorf("scanned %+v", scanned)
		}
		w.quiet(t)
		w.refused(t, 400, "qr.wrong_amount", payer.payCode(w, path, map[string]any{"amount": 44_999}))
		wrong := payer.payCode(w, path, map[string]any{"pin": "111222"})
		if _, answer := w.send(t, wrong); answer.Status == 201 {
			t.Error("paid with a wrong PIN")
		}
		var needs struct {
			Need string
			Text string
		}
		ask := apitest.Request{
			Method: "POST", Path: "/wallet/v1/confirmations", Token: payer.token,
			Body: map[string]any{"act": "payment", "qr_code_id": code.ID},
		}
		w.ok(t, 201, ask, &needs)
		if !strings.Contains(needs.Text, string(code.ID)) || needs.Need != string(auth.NeedOne) {
			t.Errorf("needs %+v", needs)
		}
		w.ok(t, 201, payer.payCode(w, path, nil), nil)
		w.quiet(t)
		w.refused(t, 409, "limit.exceeded", payer.payCode(w, path, nil))
		poor := w.person(t, 100)
		w.refused(t, 409, "payment.insufficient_funds", poor.payCode(w, path, nil))
		must(t, w.Parties.SetMerchantState(t.Context(), shop.id, party.StateFrozen, "a test"))
		time.Sleep(2100 * time.Millisecond) // what is known of a merchant is at most two seconds old
		w.refused(t, 403, "party.merchant_not_active", poor.payCode(w, path, nil))
		w.agree(t)
	})
}

// TestPersonalCode pays a person by the standing code and by one with an amount.
func TestPersonalCode(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		payer, payee := w.person(t, 200_000), w.person(t, 0)
		var standing, same, once qr.Code
		own := func(body map[string]any, into *qr.Code) {
			w.ok(t, 201, apitest.Request{Method: "POST", Path: "/wallet/v1/qr_codes", Token: payee.token, Body: body}, into)
		}
		own(map[string]any{}, &standing)
		own(map[string]any{}, &same)
		if standing.ID != same.ID || standing.EMV != "" {
			t.Errorf("two standing codes: %+v %+v", standing, same)
		}
		scanned := w.scan(t, payer, standing.URL)
		if scanned.Kind != qr.IsPerson || scanned.Payee.Name != party.MaskName("Person of Test") {
			t.Errorf("scanned %+v", scanned)
		}
		w.quiet(t)
		w.ok(t, 201, payer.payCode(w, scanned.Path, map[string]any{"amount": 30_000}), nil)
		w.quiet(t)
		w.refused(t, 409, "limit.exceeded", payer.payCode(w, scanned.Path, map[string]any{"amount": 20_001}))
		w.refused(t, 400, "transfer.to_self", payee.payCode(w, scanned.Path, map[string]any{"amount": 1}))
		for range qr.PersonalDayMax - 1 {
			w.ok(t, 201, payer.payCode(w, scanned.Path, map[string]any{"amount": 10}), nil)
		}
		w.quiet(t)
		w.refused(t, 409, "qr.personal_day_max", payer.payCode(w, scanned.Path, map[string]any{"amount": 10}))
		own(map[string]any{"amount": 20_001, "note": "dinner"}, &once)
		path := w.scan(t, payer, once.URL).Path
		var sent payment.Transfer
		w.ok(t, 201, payer.payCode(w, path, nil), &sent) // more than level D: this code is no static one
		if sent.Minor != 20_001 || sent.Note != "dinner" || sent.Payee != payee.id {
			t.Errorf("sent %+v", sent)
		}
		w.quiet(t)
		w.refused(t, 409, "qr.used", payer.payCode(w, path, nil))
		own(map[string]any{"amount": 100}, &once)
		w.Clock.Advance(qr.PersonalLife)
		w.quiet(t)
		w.refused(t, 409, "qr.expired", payer.payCode(w, "/wallet/v1/qr_codes/"+string(once.ID)+"/transfer", nil))
		w.agree(t)
	})
}

// TestPersonalCodeRace pays a code that works once from several phones at once.
func TestPersonalCodeRace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		payee := w.person(t, 0)
		var once qr.Code
		w.ok(t, 201, apitest.Request{
			Method: "POST", Path: "/wallet/v1/qr_codes", Token: payee.token, Body: map[string]any{"amount": 500},
		}, &once)
		const payers = 6
		statuses := make(chan int, payers)
		for range payers {
			payer := w.person(t, 1_000)
			call := payer.payCode(w, "/wallet/v1/qr_codes/"+string(once.ID)+"/transfer", nil)
			go func() {
				_, answer := w.send(t, call)
				statuses <- answer.Status
			}()
		}
		paid := 0
		for range payers {
			if status := <-statuses; status == 201 {
				paid++
			}
		}
		if paid != 1 {
			t.Errorf("paid %d times, want once", paid)
		}
		w.agree(t)
	})
}

// TestScan tells codes apart.
func TestScan(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		payer, other, shop := w.person(t, 5_000), w.person(t, 0), w.shop(t, party.NewMerchant{})
		order := w.created(t, shop, 1_999)
		var shown qr.Presented
		w.ok(t, 200, get("/v1/payments/"+string(order.ID)+"/qr_code", shop.token), &shown)
		picture := w.ok(t, 200, get("/v1/payments/"+string(order.ID)+"/qr_code/image?content=emv", shop.token), nil)
		if got := readPicture(t, picture.Body); got != shown.EMV {
			t.Errorf("the picture says %q", got)
		}
		emv, err := emvqr.Parse(shown.EMV, emvqr.Strict)
		must(t, err)
		if emv.Get("54") != "19.99" || emv.Initiation() != emvqr.Dynamic {
			t.Errorf("EMV code %s", shown.EMV)
		}
		for _, data := range []string{shown.URL, shown.EMV, " " + shown.URL + "\n"} {
			scanned := w.scan(t, payer, data)
			if scanned.Kind != qr.IsPayment || scanned.Next != qr.NextConfirm || scanned.Payment.ID != order.ID {
				t.Errorf("scanned %+v", scanned)
			}
		}
		w.ok(t, 200, payer.confirm(w, order.ID), nil)
		if scanned := w.scan(t, payer, shown.URL); scanned.Next != qr.NextNone || scanned.Payment.State != payment.Succeeded {
			t.Errorf("scanned %+v", scanned)
		}
		code := w.code(t, payer)
		w.quiet(t)
		w.refused(t, 404, "payment.not_found", scanning(other, shown.URL)) // paid by another
		for data, want := range map[string][2]string{
			code:                          {qr.IsPaymentCode, "feiqian"},
			"134567890123456789":          {qr.IsPaymentCode, "wechat"},
			"281234567890123456":          {qr.IsPaymentCode, "alipay"},
			"6212345678901234567":         {qr.IsPaymentCode, "unionpay"},
			"hQVDUFYwMWEaTwegAAAAVVVV":    {qr.IsPaymentCode, "emv"},
			"wxp://f2f0AbCd":              {qr.IsForeign, "wechat"},
			"HTTPS://QR.ALIPAY.COM/FKX01": {qr.IsForeign, "alipay"},
			"https://evil.example/q/c1":   {qr.IsForeign, "web"},
			foreignEMV:                    {qr.IsForeign, "unionpay"},
		} {
			scanned := w.scan(t, payer, data)
			if scanned.Kind != want[0] || scanned.Foreign.Scheme != want[1] || scanned.Next != qr.NextNone {
				t.Errorf("%s: %+v", data, scanned)
			}
		}
		if seen := w.scan(t, payer, foreignEMV).Foreign; seen.Name != "<script>x</script>" || len(seen.Fields) == 0 {
			t.Errorf("foreign %+v", seen)
		}
		forged := shown.URL[:len(shown.URL)-1] + flip(shown.URL[len(shown.URL)-1])
		for data, want := range map[string]string{
			"nonsense":             "qr.unknown",
			foreignEMV[:90]:        "emvqr.truncated",
			shown.EMV + "0":        "emvqr.truncated",
			strings.Repeat("0", 9): "qr.unknown",
			"00020101021226":       "emvqr.truncated",
		} {
			w.refused(t, 400, want, scanning(payer, data))
		}
		w.refused(t, 404, "qr.not_found", scanning(payer, forged))
		w.refused(t, 400, "request.bad_field", scanning(payer, strings.Repeat("0", 10_000)))
		bad := shown.EMV[:len(shown.EMV)-4] + "0000"
		if problem := w.refused(t, 400, "emvqr.bad_crc", scanning(payer, bad)); problem.Param != "data" {
			t.Errorf("problem %+v", problem)
		}
	})
}

// foreignEMV is a code of another scheme whose merchant has a script for a name.
var foreignEMV = func() string {
	body := "00020101021115160000000000000001520458125303156" + "5802CN5918<script>x</script>6007BEIJING6304"
	return body + emvqr.CRC(body)
}()

func flip(last byte) string {
	if last == 'A' {
		return "B"
	}
	return "A"
}
