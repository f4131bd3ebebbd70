package api_test

import (
	"database/sql"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/sandbox/authority"
	"github.com/feiqian/feiqian/internal/sandbox/issuer"
)

// plastic is a card that the sandbox's issuer gave out to a person.
func (w *world) plastic(t testing.TB, p person, prefix string, length, magic int) issuer.Card {
	t.Helper()
	c := issuer.Card{
		Number: issuer.Number(issuer.NumberForm{Prefix: prefix, Length: length, Serial: 7_000 + int(w.next()), Magic: magic}),
		Holder: "Person of Test", Document: "11010519491231002X", Phone: p.phone,
	}
	if prefix == "622575" {
		c.ExpiresOn = "2035-12"
	}
	must(t, w.issuer.AddCard(t.Context(), c))
	return c
}

func (w *world) debit(t testing.TB, p person, magic int) issuer.Card {
	t.Helper()
	return w.plastic(t, p, "622202", 19, magic)
}

func (p person) bindCard(c issuer.Card) apitest.Request {
	body := map[string]any{
		"number": c.Number, "holder_name": c.Holder, "document_number": c.Document, "phone": c.Phone, "pin": pin,
	}
	if c.ExpiresOn != "" {
		body["expires_on"] = c.ExpiresOn
	}
	return apitest.Request{Method: "POST", Path: "/wallet/v1/cards", Token: p.token, Body: body}
}

func (p person) card(method string, name id.Card, more string, body any) apitest.Request {
	return apitest.Request{Method: method, Path: "/wallet/v1/cards/" + string(name) + more, Token: p.token, Body: body}
}

func (w *world) confirmCard(t testing.TB, p person, name id.Card) apitest.Request {
	t.Helper()
	code, err := w.issuer.Code(t.Context(), string(name))
	must(t, err)
	return p.card("POST", name, "/confirm", map[string]any{"code": code})
}

// bound binds a card.
func (w *world) bound(t testing.TB, p person, c issuer.Card) card.Card {
	t.Helper()
	var made card.Card
	w.ok(t, 201, p.bindCard(c), &made)
	if made.State != card.AwaitingCode || made.Last4 != c.Number[len(c.Number)-4:] || made.TriesLeft != 3 {
		t.Errorf("%+v", made)
	}
	w.ok(t, 200, w.confirmCard(t, p, made.ID), &made)
	if made.State != card.Bound {
		t.Fatalf("%+v", made)
	}
	return made
}

// checked sends a request to bind that must be refused, and expects that nothing but the counts of tries has changed.
func (w *world) checked(t *testing.T, status int, code string, call apitest.Request) {
	t.Helper()
	before := w.snapshot(t)
	w.call(t, call).Problem(t, status, code)
	if changed := strings.Join(before.changed(w.snapshot(t)), " "); changed != "card_checks commit_groups" {
		t.Errorf("%s changed %q", code, changed)
	}
}

func (w *world) waitCard(t testing.TB, p person, name id.Card, state card.State) {
	t.Helper()
	var c card.Card
	eventually(t, "a card that is "+string(state), func() bool {
		w.ok(t, 200, p.card("GET", name, "", nil), &c)
		return c.State == state
	})
}

// TestCardOfAnother binds a card of somebody else to a customer who has shown a document.
func TestCardOfAnother(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p := w.person(t, 0)
		known := authority.SeedPeople()[3]
		w.ok(t, 200, p.document(known), nil)
		own := w.debit(t, p, 0)
		w.checked(t, 409, "identity.other_person", p.bindCard(own)) // it has another name and another document
		own.Document = known.Number
		w.checked(t, 409, "identity.other_person", p.bindCard(own))
		own = w.debit(t, p, 0)
		own.Holder = known.Name
		w.checked(t, 409, "identity.other_person", p.bindCard(own))
		own = w.debit(t, p, 0)
		own.Number = issuer.Number(issuer.NumberForm{Prefix: "622202", Length: 19, Serial: 7_000 + int(w.next())})
		own.Holder, own.Document = known.Name, known.Number
		must(t, w.issuer.AddCard(t.Context(), own))
		w.bound(t, p, own)
	})
}

// TestCards walks the life of cards: bind, default, agreement, unbind, bind again.
func TestCards(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p, other := w.person(t, 0), w.person(t, 0)
		plastic, credit := w.debit(t, p, 0), w.plastic(t, p, "622575", 16, 0)
		first := w.bound(t, p, plastic)
		if !first.Default || first.Issuer != "ICBC" || first.IssuerZH != "中国工商银行" || first.Type != card.Debit ||
			first.Scheme != "unionpay" {
			t.Errorf("%+v", first)
		}
		second := w.bound(t, p, credit)
		if second.Default || second.ExpiresOn != "2035-12" || second.Type != card.Credit {
			t.Errorf("%+v", second)
		}
		w.refused(t, 409, "card.already_bound", p.bindCard(plastic))
		w.ok(t, 200, p.card("PUT", second.ID, "/default", nil), &second)
		var list struct {
			Data []card.Card `json:"data"`
		}
		w.ok(t, 200, get("/wallet/v1/cards", p.token), &list)
		if len(list.Data) != 2 || !list.Data[0].Default || list.Data[1].Default {
			t.Errorf("%+v", list.Data)
		}
		for _, call := range []apitest.Request{
			other.card("GET", first.ID, "", nil), other.card("DELETE", first.ID, "", nil),
			other.card("PUT", first.ID, "/default", nil),
			other.card("POST", first.ID, "/confirm", map[string]any{"code": "123456"}),
		} {
			w.refused(t, 404, "card.not_found", call)
		}
		for _, call := range []apitest.Request{
			other.card("GET", first.ID, "/agreement", nil), other.card("DELETE", first.ID, "/agreement", nil),
			other.card("POST", first.ID, "/agreement/check", nil),
			other.card("PUT", first.ID, "/agreement", map[string]any{"state": "suspended"}),
		} {
			w.refused(t, 404, "card.agreement_not_found", call)
		}
		w.agreements(t, p, first.ID)

		w.ok(t, 204, p.card("DELETE", second.ID, "", nil), nil)
		w.waitCard(t, p, second.ID, card.Unbound)
		w.quiet(t) // the job that told the issuer ends behind its act
		if status, err := w.issuer.Status(t.Context(), string(second.ID)); err != nil || status != "cancelled" {
			t.Errorf("at the issuer it is %s, %v", status, err)
		}
		w.ok(t, 204, p.card("DELETE", second.ID, "", nil), nil)
		w.refused(t, 409, "card.not_bound", p.card("PUT", second.ID, "/default", nil))
		w.refused(t, 409, "card.already_unbound", p.card("POST", second.ID, "/confirm", map[string]any{"code": "123456"}))
		if n := w.count(t, "SELECT count(*) FROM cards WHERE id = $1 AND sealed_pan IS NULL AND pan_key IS NULL",
			string(second.ID)); n != 1 {
			t.Error("the number of an unbound card is still there")
		}
		if third := w.bound(t, p, credit); third.ID == second.ID || !third.Default {
			t.Errorf("%+v", third)
		}
		if n := w.events(t, "card.bound", "SELECT id FROM cards"); n != 3 {
			t.Errorf("%d cards were announced", n)
		}
		if n := w.events(t, "card.unbound", "SELECT id FROM cards"); n != 1 {
			t.Errorf("%d ends were announced", n)
		}
	})
}

// agreements changes the terms of a bound card in every way, and cancels it.
func (w *world) agreements(t *testing.T, p person, name id.Card) {
	t.Helper()
	var terms card.Terms
	w.ok(t, 200, p.card("GET", name, "/agreement", nil), &terms)
	if terms.State != card.AgreementActive || terms.TransactionMax != cny(5_000_00) || terms.DayMax != cny(10_000_00) ||
		terms.RemainingToday != cny(10_000_00) || terms.Number == "" {
		t.Errorf("%+v", terms)
	}
	change := func(body map[string]any) apitest.Request { return p.card("PUT", name, "/agreement", body) }
	w.ok(t, 200, change(map[string]any{"transaction_limit": 100_00, "day_limit": 200_00}), &terms)
	w.refused(t, 403, "card.pin_required", change(map[string]any{"day_limit": 200_01}))
	w.refused(t, 400, "card.bad_limit", change(map[string]any{"transaction_limit": 5_000_01, "pin": pin}))
	w.refused(t, 400, "card.bad_limit", change(map[string]any{"day_limit": 10_000_01, "pin": pin}))
	w.ok(t, 200, change(map[string]any{"day_limit": 300_00, "pin": pin}), &terms)
	if terms.DayMax != cny(300_00) || terms.TransactionMax != cny(100_00) {
		t.Errorf("%+v", terms)
	}
	w.spendAtOnce(t, p, name)
	w.ok(t, 200, change(map[string]any{"state": "suspended"}), &terms)
	if terms.State != card.AgreementSuspended || terms.RemainingToday != cny(0) {
		t.Errorf("%+v", terms)
	}
	if err := w.spend(t, p, name, 1); err == nil || !strings.Contains(err.Error(), "card.agreement_suspended") {
		t.Errorf("a suspended agreement: %v", err)
	}
	w.refused(t, 403, "card.pin_required", change(map[string]any{"state": "active"}))
	w.ok(t, 200, change(map[string]any{"state": "active", "pin": pin}), &terms)
	w.ok(t, 200, p.card("POST", name, "/agreement/check", nil), &terms)
	if terms.State != card.AgreementActive || terms.DayMax != cny(300_00) {
		t.Errorf("%+v", terms)
	}
	w.ok(t, 204, p.card("DELETE", name, "/agreement", nil), nil)
	w.ok(t, 204, p.card("DELETE", name, "/agreement", nil), nil)
	w.quiet(t)
	w.refused(t, 409, "card.agreement_cancelled", change(map[string]any{"state": "active", "pin": pin}))
	w.quiet(t)
	eventually(t, "the issuer knows", func() bool {
		status, err := w.issuer.Status(t.Context(), string(name))
		return err == nil && status == "cancelled"
	})
}

func (w *world) spend(t testing.TB, p person, name id.Card, minor int64) error {
	t.Helper()
	use := card.Use{Customer: p.id, Card: name, Amount: cny(minor)}
	return w.Committer.Do(t.Context(), w.Cards.UseKeys(use), func(tx *commit.Tx) error {
		token, _, err := w.Cards.UseAgreement(tx, use)
		if err == nil && token == "" {
			err = errors.New("no token")
		}
		return err
	})
}

// spendAtOnce debits from many sides at once: the day's limit of 300 is met to the cent and never passed.
func (w *world) spendAtOnce(t *testing.T, p person, name id.Card) {
	t.Helper()
	if err := w.spend(t, p, name, 100_01); err == nil || !strings.Contains(err.Error(), "card.above_transaction_limit") {
		t.Errorf("above a payment's limit: %v", err)
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		spent int64
	)
	for range 200 {
		wg.Go(func() {
			if err := w.spend(t, p, name, 7_00); err == nil {
				mu.Lock()
				spent += 7_00
				mu.Unlock()
			} else if !strings.Contains(err.Error(), "card.above_day_limit") {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var terms card.Terms
	w.ok(t, 200, p.card("GET", name, "/agreement", nil), &terms)
	if spent != 294_00 || terms.RemainingToday != cny(6_00) {
		t.Errorf("%d were spent, %v remain", spent, terms.RemainingToday)
	}
	if err := w.spend(t, p, name, 6_00); err != nil {
		t.Error(err)
	}
	w.spendBehind(t, p, name)
	if err := w.spend(t, p, name, 1); err == nil {
		t.Error("the limit was passed")
	}
}

// spendBehind debits on a node whose clock is behind one that has begun the next day: it begins no day of its own.
func (w *world) spendBehind(t *testing.T, p person, name id.Card) {
	t.Helper()
	day := func(add string) {
		must(t, w.DB.Write(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.ExecContext(t.Context(), "UPDATE card_agreements SET used_on = "+add+" WHERE id = $1", string(name))
			return err
		}))
	}
	day("'9' || used_on")
	if err := w.spend(t, p, name, 7_00); err == nil || !strings.Contains(err.Error(), "card.above_day_limit") {
		t.Errorf("a clock that is behind begins the day anew: %v", err)
	}
	day("substr(used_on, 2)")
}

// TestCardRefusals: what is mistyped or refused leaves nothing behind but the count of tries.
func TestCardRefusals(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p := w.person(t, 0)
		good := w.debit(t, p, 0)
		with := func(change func(*issuer.Card)) apitest.Request {
			c := good
			change(&c)
			return p.bindCard(c)
		}
		last := (good.Number[18]-'0'+1)%10 + '0'
		for code, call := range map[string]apitest.Request{
			"card.bad_number":           with(func(c *issuer.Card) { c.Number = c.Number[:18] + string(last) }),
			"card.issuer_not_supported": with(func(c *issuer.Card) { c.Number = "4111111111111111" }),
			"party.bad_phone":           with(func(c *issuer.Card) { c.Phone = "12" }),
			"party.bad_name":            with(func(c *issuer.Card) { c.Holder = " " }),
			"card.bad_document":         with(func(c *issuer.Card) { c.Document = "     " }),
			"card.bad_expiry":           with(func(c *issuer.Card) { c.Number = w.plastic(t, p, "622575", 16, 0).Number }),
		} {
			w.refused(t, 400, code, call)
		}
		w.refused(t, 400, "card.bad_number", with(func(c *issuer.Card) { c.Number = "62220212345678x" }))
		expired := w.plastic(t, p, "622575", 16, 0)
		expired.ExpiresOn = "2020-01"
		w.refused(t, 400, "card.bad_expiry", p.bindCard(expired))
		w.guess(t, 403, "auth.pin_wrong", w.person(t, 0).bindCard(good))

		w.checked(t, 409, "card.refused_elements_mismatch", with(func(c *issuer.Card) { c.Document = "110105194912310021" }))
		w.checked(t, 409, "card.refused_elements_mismatch", with(func(c *issuer.Card) { c.Holder = "Somebody Else" }))
		w.checked(t, 409, "card.refused_elements_mismatch", with(func(c *issuer.Card) { c.Phone = "+8613900009999" }))
		w.checked(t, 409, "card.refused_elements_mismatch", with(func(c *issuer.Card) { c.Holder = "Another One" }))
		w.refused(t, 429, "card.too_many_checks", p.bindCard(good)) // four of one card in a day
		w.checked(t, 409, "card.refused_not_allowed", p.bindCard(w.debit(t, p, 901)))
		w.checked(t, 409, "card.refused_card_blocked", p.bindCard(w.debit(t, p, 902)))
		w.checked(t, 503, "card.issuer_bad_answer", p.bindCard(w.debit(t, p, 904)))
		w.checked(t, 503, "card.issuer_bad_answer", p.bindCard(w.debit(t, p, 905)))
		w.checked(t, 504, "card.issuer_no_answer", p.bindCard(w.debit(t, p, 903)))
		w.checked(t, 409, "card.refused_card_blocked", p.bindCard(w.debit(t, p, 902)))
		w.refused(t, 429, "card.too_many_checks", p.bindCard(w.debit(t, p, 0))) // ten of one customer in a day
		w.Clock.Advance(25 * time.Hour)
		w.expired(t)
		w.bound(t, p, good)
	})
}

// TestCardCodes: three codes, ten minutes.
func TestCardCodes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p := w.person(t, 0)
		var c card.Card
		w.ok(t, 201, p.bindCard(w.debit(t, p, 0)), &c)
		w.refused(t, 400, "request.bad_field", p.card("POST", c.ID, "/confirm", map[string]any{"code": "12345x"}))
		for left := 2; left > 0; left-- {
			problem := w.call(t, p.card("POST", c.ID, "/confirm", map[string]any{"code": "0000"})).
				Problem(t, 403, "card.wrong_code")
			if !strings.Contains(problem.Detail, strconv.Itoa(left)) {
				t.Errorf("%q does not say that %d are left", problem.Detail, left)
			}
		}
		w.ok(t, 200, p.card("POST", c.ID, "/confirm", map[string]any{"code": "0000"}), &c)
		if c.State != card.Declined || c.DeclineCode != card.DeclineTooManyTries {
			t.Errorf("%+v", c)
		}
		w.quiet(t)
		w.refused(t, 409, "card.already_declined", w.confirmCard(t, p, c.ID))

		plastic := w.debit(t, p, 0)
		w.ok(t, 201, p.bindCard(plastic), &c)
		w.refused(t, 409, "card.binding_under_way", p.bindCard(plastic))
		w.Clock.Advance(11 * time.Minute)
		w.waitCard(t, p, c.ID, card.Expired)
		w.quiet(t)
		if n := w.count(t, "SELECT count(*) FROM cards WHERE sealed_pan IS NOT NULL OR pan_key IS NOT NULL"); n != 0 {
			t.Errorf("%d numbers of ended bindings are still there", n)
		}
		w.bound(t, p, plastic)
	})
}

// TestCardUnknown: where the issuer does not say whether a card is bound, the sweeper finds out.
func TestCardUnknown(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		for magic, end := range map[int]card.State{
			911: card.Bound, 912: card.AwaitingCode, 913: card.Bound, 914: card.Bound, 915: card.Declined,
		} {
			p := w.person(t, 0)
			var c card.Card
			w.ok(t, 201, p.bindCard(w.debit(t, p, magic)), &c)
			w.ok(t, 200, w.confirmCard(t, p, c.ID), &c)
			if magic != 915 {
				if c.State != card.Confirming {
					t.Errorf("%d: %s", magic, c.State)
				}
				w.refused(t, 409, "card.already_confirming", w.confirmCard(t, p, c.ID))
				w.refused(t, 409, "card.already_confirming", p.card("DELETE", c.ID, "", nil))
			}
			w.Clock.Advance(11 * time.Second)
			w.waitCard(t, p, c.ID, end)
			w.quiet(t)
		}
		for _, magic := range []int{921, 922} { // the issuer is told until it knows
			p := w.person(t, 0)
			c := w.bound(t, p, w.debit(t, p, magic))
			w.ok(t, 204, p.card("DELETE", c.ID, "", nil), nil)
			w.waitCard(t, p, c.ID, card.Unbound)
			if status, err := w.issuer.Status(t.Context(), string(c.ID)); err != nil || status != "cancelled" {
				t.Errorf("%d: at the issuer it is %s, %v", magic, status, err)
			}
		}
	})
}

// TestBindAtOnce binds one card twenty times at once, on the way of one customer: it is bound once.
func TestBindAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p := w.person(t, 0)
		plastic := w.debit(t, p, 0)
		made := 0
		for _, answer := range w.together(t, 20, func(int) apitest.Request { return p.bindCard(plastic) }) {
			switch code := answer.Status; {
			case code == http.StatusCreated:
				made++
			case code != http.StatusConflict && code != http.StatusTooManyRequests:
				t.Errorf("%d %s", code, answer.Body)
			}
		}
		if n := w.count(t, "SELECT count(*) FROM cards"); made != 1 || n != 1 {
			t.Errorf("%d were made, %d are there", made, n)
		}
		if n := w.count(t, "SELECT cards FROM card_holders WHERE id = $1", string(p.id)); n != 1 {
			t.Errorf("the customer has %d", n)
		}
		var list struct {
			Data []card.Card `json:"data"`
		}
		w.ok(t, 200, get("/wallet/v1/cards", p.token), &list)
		confirm := w.confirmCard(t, p, list.Data[0].ID)
		for _, answer := range w.together(t, 8, func(int) apitest.Request { return confirm }) {
			if answer.Status != http.StatusOK && answer.Status != http.StatusConflict {
				t.Errorf("%d %s", answer.Status, answer.Body)
			}
		}
		w.waitCard(t, p, list.Data[0].ID, card.Bound)
		if n := w.count(t, "SELECT count(*) FROM card_agreements"); n != 1 {
			t.Errorf("%d agreements", n)
		}
	})
}
