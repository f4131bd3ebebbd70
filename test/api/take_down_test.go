package api_test

import (
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/checkout"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/qr"
)

func takingDown(token, subject string) apitest.Request {
	return ops("POST", "/take_downs", token, map[string]any{
		"subject": subject, "reason": "impersonation", "note": "not the shop that it says",
	})
}

// TestTakeDown keeps payers from a page, a link and a code until it is undone.
func TestTakeDown(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.noRedirects()
		s, p, officer := w.shop(t, party.NewMerchant{}), w.person(t, 100_00), w.colleague(t, party.RoleRisk, "")
		page := w.checkout(t, s, map[string]any{"amount": 10_00})
		var link checkout.Link
		var code qr.Code
		w.made(t, "/v1/payment_links", s.token, map[string]any{"amount": 5_00}, &link)
		w.made(t, "/v1/qr_codes", s.token, map[string]any{"amount": 3_00}, &code)
		pay := p.payCode(w, "/wallet/v1/qr_codes/"+string(code.ID)+"/pay", nil)
		earlier := p.payCode(w, pay.Path, nil)
		w.ok(t, 201, earlier, nil)
		open := begun(t, w.useLink(t, link, ""))

		for _, subject := range []string{string(page.ID), string(link.ID), string(code.ID)} {
			var down payment.StaffTakeDown
			w.ok(t, 201, takingDown(officer.token, subject), &down)
			if down.Reason != payment.BecauseImpersonation || down.By != officer.id || down.Merchant != s.id {
				t.Errorf("%+v", down)
			}
		}
		w.quiet(t)
		w.refused(t, 409, "payment.taken_down", p.confirm(w, page.ID))
		w.refused(t, 409, "payment.taken_down", pay)
		w.refused(t, 409, "payment.taken_down", scanning(p, code.URL))
		w.ok(t, 201, earlier, nil) // what was paid stays answered
		before := w.snapshot(t)
		for _, address := range []string{page.URL, link.URL, code.URL} {
			shown := w.page(t, address+map[bool]string{true: "&", false: "?"}[strings.Contains(address, "?")]+"lang=en", nil)
			if text := string(shown.Body); shown.Status != 410 || !strings.Contains(text, "stopped these payments") ||
				strings.Contains(text, "impersonation") {
				t.Errorf("%s: %d", address, shown.Status)
			}
		}
		if answer := w.useLink(t, link, ""); answer.Status != 410 {
			t.Errorf("the link makes a payment: %d", answer.Status)
		}
		before.same(t, w.snapshot(t), "what is taken down")
		w.ok(t, 200, p.confirm(w, open), nil) // a payment that the link made goes on, unless it is taken down itself

		// The merchant is told what and why, and not what staff say to each other.
		var events api.Page[struct {
			Kind string
			Data payment.TakeDown
		}]
		shown := w.ok(t, 200, get("/v1/events?limit=100", s.token), &events)
		if strings.Contains(string(shown.Body), "not the shop") || strings.Contains(string(shown.Body), string(officer.id)) {
			t.Error("the event tells what only staff should know")
		}
		var kinds []string
		for _, event := range events.Data {
			if strings.HasSuffix(event.Kind, ".taken_down") && event.Data.Reason == payment.BecauseImpersonation {
				kinds = append(kinds, event.Kind)
			}
		}
		if got := strings.Join(kinds, " "); got != "payment.taken_down payment_link.taken_down qr_code.taken_down" {
			t.Error(got)
		}
		w.ok(t, 200, get("/v1/payment_links/"+string(link.ID), s.token), &link)
		w.ok(t, 200, get("/v1/qr_codes/"+string(code.ID), s.token), &code)
		w.ok(t, 200, get("/v1/checkouts/"+string(page.ID), s.token), &page)
		if link.TakenDown != payment.BecauseImpersonation || code.TakenDown != link.TakenDown ||
			page.TakenDown != link.TakenDown {
			t.Errorf("%q %q %q", link.TakenDown, code.TakenDown, page.TakenDown)
		}
		var list api.Page[payment.StaffTakeDown]
		w.ok(t, 200, ops("GET", "/take_downs?merchant_id="+string(s.id), officer.token, nil), &list)
		if len(list.Data) != 3 {
			t.Errorf("%+v", list)
		}

		for _, subject := range []string{string(page.ID), string(link.ID), string(code.ID)} {
			lift := ops("POST", "/take_downs/"+subject+"/lift", officer.token, map[string]any{"reason": "it is the shop"})
			w.ok(t, 200, lift, nil)
			w.ok(t, 200, lift, nil) // again is no error
		}
		w.ok(t, 200, p.confirm(w, page.ID), nil)
		w.ok(t, 201, pay, nil)
		begun(t, w.useLink(t, link, ""))
		w.ok(t, 200, ops("GET", "/take_downs", officer.token, nil), &list)
		if len(list.Data) != 0 {
			t.Errorf("%+v", list)
		}
		w.quiet(t)
		w.agree(t)
	})
}

// TestTakeDownInput refuses what can't be taken down, and writes nothing.
func TestTakeDownInput(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		officer, p := w.colleague(t, party.RoleCompliance, ""), w.person(t, 0)
		s := w.shop(t, party.NewMerchant{})
		var own qr.Code
		w.ok(t, 201, apitest.Request{
			Method: "POST", Path: "/wallet/v1/qr_codes", Token: p.token, Body: map[string]any{},
		}, &own)
		made := w.created(t, s, 1_00)
		w.quiet(t)
		for subject, code := range map[string]string{
			string(own.ID): "qr.not_found", "pay_01kanq4j3qf8yt0v5d7r2m9xce": "payment.not_found",
			"plk_01kanq4j3qf8yt0v5d7r2m9xce": "payment_link.not_found",
		} {
			w.refused(t, 404, code, takingDown(officer.token, subject))
		}
		w.refused(t, 400, "payment.bad_take_down", takingDown(officer.token, string(s.id)))
		w.refused(t, 404, "payment.take_down_not_found",
			ops("POST", "/take_downs/"+string(made.ID)+"/lift", officer.token, map[string]any{"reason": "none"}))
		call := takingDown(officer.token, string(made.ID))
		call.Body = map[string]any{"subject": made.ID, "reason": "fraud", "note": " "}
		w.refused(t, 400, "party.bad_reason", call)
	})
}

// TestTakeDownRace takes pages down while their payers confirm: each is paid or is refused, and what is down when its
// payer comes stays unpaid.
func TestTakeDownRace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p, officer := w.shop(t, party.NewMerchant{}), w.person(t, 100_00), w.colleague(t, party.RoleRisk, "")
		const sales = 6
		calls, names := make([]apitest.Request, 0, 2*sales), make([]payment.Payment, 0, sales)
		for range sales {
			made := w.created(t, s, 1_00)
			names = append(names, made)
			calls = append(calls, p.confirm(w, made.ID), takingDown(officer.token, string(made.ID)))
		}
		answers := w.together(t, len(calls), func(i int) apitest.Request { return calls[i] })
		for i, made := range names {
			confirmed, down := answers[2*i], answers[2*i+1]
			paid := w.read(t, s, made).State == payment.Succeeded
			if down.Status != 201 || (confirmed.Status == 200) != paid ||
				(!paid && !strings.Contains(string(confirmed.Body), "payment.taken_down")) {
				t.Errorf("paid %v: %d %s; taken down: %d", paid, confirmed.Status, confirmed.Body, down.Status)
			}
			if !paid {
				w.quiet(t)
				w.refused(t, 409, "payment.taken_down", p.confirm(w, made.ID))
			}
		}
		w.quiet(t)
		w.agree(t)
	})
}
