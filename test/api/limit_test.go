package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/payout"
)

// noon sets a zone in which it is about noon, so that no test runs over midnight.
func noon(c *config.Config) {
	c.Zone = fmt.Sprintf("Etc/GMT%+d", time.Now().UTC().Hour()-12) // signs are the other way round there (POSIX)
	if strings.HasSuffix(c.Zone, "+0") {
		c.Zone = "UTC"
	}
}

// used returns what counts toward a rule.
func (w *world) used(t testing.TB, p person, rule string) int64 {
	t.Helper()
	var standing limit.Standing
	w.ok(t, 200, get("/wallet/v1/limits", p.token), &standing)
	i := slices.IndexFunc(standing.Limits, func(r limit.Remaining) bool { return r.Rule == rule })
	if i < 0 {
		t.Fatalf("rule %s does not concern class %d", rule, standing.Class)
	}
	return standing.Limits[i].Used
}

func (w *world) class(t testing.TB, p person, class party.Class) {
	t.Helper()
	must(t, w.Parties.ChangeClass(t.Context(), p.id, class))
}

// exceeds sends a request that a rule must refuse, and returns what the problem says.
func (w *world) exceeds(t testing.TB, rule string, left int64, call apitest.Request) {
	t.Helper()
	problem := w.refused(t, http.StatusConflict, "limit.exceeded", call)
	details, ok := problem.Details.(map[string]any)
	if !ok || details["rule"] != rule || problem.Hint == "" || problem.Retryable {
		t.Errorf("%+v, want rule %s", problem, rule)
		return
	}
	lifts, _ := details["lifts"].(map[string]any)
	amount, _ := details["left"].(map[string]any)
	if amount["amount"] != float64(left) || lifts["zh"] == "" || lifts["en"] != problem.Hint {
		t.Errorf("%v, want %d left", details, left)
	}
}

// TestLimits: what each class may pay, by every way to pay, and what is said when it is too much.
func TestLimits(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p, other := w.shop(t, party.NewMerchant{FeeBps: 60}), w.person(t, 20_000_00), w.person(t, 0)
		w.settle()
		coded := func(call apitest.Request) apitest.Request { return w.withCode(t, p, call) }
		const day, year, lifetime = "cn.day.two_factors", "cn.class3.year", "cn.class1.lifetime"

		// Nobody verified: no payment of any kind, and yet one's own money comes in and goes out.
		w.class(t, p, 0)
		w.exceeds(t, "cn.unverified", 0, p.transfer(w, other, 1))
		w.exceeds(t, "cn.unverified", 0, p.confirm(w, w.created(t, s, 1).ID))
		w.exceeds(t, "cn.unverified", 0, w.dryOf(p.transfer(w, other, 1)))
		var declined payment.Payment
		w.ok(t, 201, s.order(w, 1, map[string]any{"payment_code": w.code(t, p)}), &declined)
		if declined.State != payment.Declined || declined.DeclineCode != payment.DeclineLimitExceeded {
			t.Errorf("%+v", declined)
		}
		w.topUp(t, p, 100)
		w.quiet(t)

		// Class III with PIN and code: 5,000 a day, transfers and payments together; refunds give nothing back.
		w.class(t, p, 3)
		w.ok(t, 201, coded(p.transfer(w, other, 1_000_00)), nil)
		paid := w.created(t, s, 3_999_99)
		w.ok(t, 200, coded(p.confirm(w, paid.ID)), nil)
		w.ok(t, 200, w.dryOf(p.confirm(w, w.created(t, s, 1).ID)), nil)
		w.exceeds(t, day, 1, coded(p.transfer(w, other, 2)))
		w.exceeds(t, day, 1, w.dryOf(coded(p.transfer(w, other, 2))))
		w.exceeds(t, day, 1, coded(p.confirm(w, w.created(t, s, 2).ID)))
		w.ok(t, 201, s.refund(w, paid.ID, map[string]any{"amount": 3_000_00, "currency": "CNY"}), nil)
		if used := w.used(t, p, day); used != 4_999_99 {
			t.Errorf("%d used after a refund, a dry run and refusals", used)
		}
		w.guess(t, http.StatusForbidden, "auth.pin_wrong", w.withPIN(p.transfer(w, other, 1), "000001"))
		w.ok(t, 201, coded(p.transfer(w, other, 1)), nil)
		w.exceeds(t, day, 0, coded(p.transfer(w, other, 1)))

		// Payment codes show one factor, as the PIN alone does, and have a sum of their own.
		var code payment.Payment
		w.ok(t, 201, p.transfer(w, other, 100_00), nil)
		w.ok(t, 201, s.order(w, 900_00, map[string]any{"payment_code": w.code(t, p)}), &code)
		w.ok(t, 201, s.order(w, 1, map[string]any{"payment_code": w.code(t, p)}), &declined)
		if code.State != payment.Succeeded || declined.DeclineCode != payment.DeclineLimitExceeded {
			t.Errorf("%+v, %+v", code, declined)
		}
		if used := w.used(t, p, "cn.qr.c"); used != 900_00 {
			t.Errorf("%d used by code", used)
		}
		if w.used(t, p, year) != 6_000_00 {
			t.Errorf("%d used in the year", w.used(t, p, year))
		}
		// Then the PIN alone is not enough any more, and neither is a code: a passkey has no sum.
		var needs api.ConfirmationNeeds
		w.ok(t, 201, post("/wallet/v1/confirmations", p.token, map[string]any{
			"act": "transfer", "payee": other.phone, "amount": 1, "currency": "CNY",
		}), &needs)
		if needs.Need != auth.NeedSignature || needs.Reason != "amount_above_two_factors" {
			t.Errorf("%+v", needs)
		}
		w.refused(t, 403, "auth.step_up_required", p.transfer(w, other, 1))
		// Withdrawals to one's own account are not limited from class II on, and nothing of class I is left.
		var out payout.Payout
		w.ok(t, 201, coded(p.bankMoney(w, "/wallet/v1/withdrawals", 6_000_00)), &out)
		w.quiet(t)
		w.class(t, p, 1)
		w.exceeds(t, lifetime, 0, p.bankMoney(w, "/wallet/v1/withdrawals", 1))
		w.settle()
		eventually(t, "the expiry of what was not paid", func() bool {
			return w.count(t, "SELECT count(*) FROM payments WHERE state = 'created'") == 0
		})
		w.quiet(t)
		w.exceeds(t, lifetime, 0, p.transfer(w, other, 1))
		w.quiet(t)
		w.agree(t)
	}, noon)
}

// TestLimitOfDay: at midnight of the zone the day begins anew, and the year goes on.
func TestLimitOfDay(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p, other := w.person(t, 12_000_00), w.person(t, 0)
		w.settle()
		w.ok(t, 201, w.withCode(t, p, p.transfer(w, other, 5_000_00)), nil)
		var standing limit.Standing
		w.ok(t, 200, get("/wallet/v1/limits", p.token), &standing)
		i := slices.IndexFunc(standing.Limits, func(r limit.Remaining) bool { return r.Rule == "cn.day.two_factors" })
		shown := standing.Limits[i]
		if *shown.Left != 0 || *shown.Limit != 5_000_00 || shown.Title.Chinese == "" || shown.Lifts.Chinese == "" {
			t.Errorf("%+v", shown)
		}
		w.exceeds(t, "cn.day.two_factors", 0, w.withCode(t, p, p.transfer(w, other, 1)))
		w.Clock.Advance(shown.ResetsAt.Sub(w.Clock.Now()) + time.Millisecond)
		if used := w.used(t, p, "cn.day.two_factors"); used != 0 {
			t.Errorf("%d used behind midnight", used)
		}
		w.ok(t, 201, w.withCode(t, p, p.transfer(w, other, 5_000_00)), nil)
		w.exceeds(t, "cn.day.two_factors", 0, w.withCode(t, p, p.transfer(w, other, 1)))
	}, noon)
}

// TestLimitGivenBack: a withdrawal that the bank refuses was none.
func TestLimitGivenBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p, other := w.person(t, 2_000_00), w.person(t, 0)
		w.settle()
		w.class(t, p, 1)
		var out payout.Payout
		w.ok(t, 201, p.bankMoney(w, "/wallet/v1/withdrawals", 990_02), &out) // a magic amount: the bank refuses
		w.ok(t, 200, get("/wallet/v1/withdrawals/"+string(out.ID)+"?wait=20", p.token), &out)
		w.quiet(t)
		if used := w.used(t, p, "cn.class1.lifetime"); out.State != payout.Declined || used != 0 {
			t.Errorf("%+v, %d used", out, used)
		}
		w.ok(t, 201, p.bankMoney(w, "/wallet/v1/withdrawals", 400_00), nil)
		w.quiet(t)
		w.ok(t, 201, p.transfer(w, other, 600_00), nil)
		w.exceeds(t, "cn.class1.lifetime", 0, p.transfer(w, other, 1))
		w.quiet(t)
		w.agree(t)
	}, noon)
}

// TestLimitRace: 200 transfers and confirmations by PIN at once against what a day leaves to one factor, over HTTP.
func TestLimitRace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p, other := w.shop(t, party.NewMerchant{}), w.person(t, 9_000_00), w.person(t, 0)
		w.settle()
		answers := w.together(t, 200, func(i int) apitest.Request {
			if i%2 == 0 {
				return p.transfer(w, other, 7_00+int64(i))
			}
			return p.confirm(w, w.created(t, s, 7_00+int64(i)).ID)
		})
		var paid int64
		for i, answer := range answers {
			if answer.Status < http.StatusBadRequest {
				paid += 7_00 + int64(i)
			} else {
				answer.Problem(t, http.StatusForbidden, "auth.step_up_required")
			}
		}
		if paid > 1_000_00 || paid < 1_000_00-9_00 || w.used(t, p, "cn.day.one_factor") != paid {
			t.Errorf("%d were paid, %d counted", paid, w.used(t, p, "cn.day.one_factor"))
		}
		w.agree(t)
	}, noon)
}

// TestLimitChanges: staff tighten, never loosen, and it is known who did what and why.
func TestLimitChanges(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p, other, risk := w.person(t, 1_000_00), w.person(t, 0), w.staff(t, party.RoleRisk)
		change := func(rule string, body map[string]any) apitest.Request {
			return apitest.Request{Method: "POST", Path: "/ops/v1/limits/" + rule + "/changes", Token: risk, Body: body}
		}
		const rule = "cn.day.one_factor"
		w.refused(t, 400, "limit.loosens", change(rule, map[string]any{"amount_minor": 1_000_01, "reason": "more"}))
		w.refused(t, 400, "request.bad_field", change(rule, map[string]any{"amount_minor": -1, "reason": "x"}))
		w.refused(t, 400, "request.missing_field", change(rule, map[string]any{"amount_minor": 1}))
		w.refused(t, 400, "party.bad_reason", change(rule, map[string]any{"amount_minor": 1, "reason": " "}))
		w.refused(t, 404, "limit.rule_not_found", change("cn.none", map[string]any{"amount_minor": 1, "reason": "x"}))
		w.refused(t, 400, "limit.bad_effective_at",
			change(rule, map[string]any{"amount_minor": 1, "reason": "x", "effective_at": "2020-01-01T00:00:00Z"}))
		admin := change(rule, map[string]any{"amount_minor": 1, "reason": "x"})
		admin.Token = w.staff(t, party.RoleAdmin)
		w.refused(t, 403, "auth.permission_missing", admin)
		var made limit.Change
		w.done(t, 201, change(rule, map[string]any{"amount_minor": 100, "reason": "a wave of fraud"}), &made)
		w.exceeds(t, rule, 100, p.transfer(w, other, 101))
		w.ok(t, 201, p.transfer(w, other, 100), nil)
		var rules api.Page[limit.InForce]
		w.ok(t, 200, get("/ops/v1/limits", w.staff(t, party.RoleAuditor)), &rules)
		i := slices.IndexFunc(rules.Data, func(r limit.InForce) bool { return r.ID == rule })
		if r := rules.Data[i]; *r.Now != 100 || *r.Minor != 1_000_00 || !strings.Contains(r.Source, "art. 24") {
			t.Errorf("%+v", r)
		}
		w.ok(t, 201, change(rule, map[string]any{"reason": "it is over"}), nil)
		w.ok(t, 201, p.transfer(w, other, 101), nil)
		var history api.Page[limit.Change]
		w.ok(t, 200, get("/ops/v1/limits/"+rule+"/history", risk), &history)
		if len(history.Data) != 2 || history.Data[1].ID != made.ID || history.Data[1].Staff == "" ||
			history.Data[1].Reason != "a wave of fraud" || history.Data[0].Minor != nil {
			t.Errorf("%+v", history.Data)
		}
	}, noon, alone)
}

// TestPlainLimits: without figures everybody pays, and the operator's own figures hold, also for top-ups.
func TestPlainLimits(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		p, other := w.person(t, 100_000_00), w.person(t, 0)
		w.class(t, p, 0)
		w.ok(t, 201, w.withCode(t, p, p.transfer(w, other, 4_900_00)), nil)
		figure := int64(100_500_00)
		_, err := w.Limits.Change(
			t.Context(),
			limit.NewChange{Rule: "plain.top_up.day", Minor: &figure, Reason: "own", Staff: "stf_x"},
		)
		must(t, err)
		w.exceeds(t, "plain.top_up.day", 500_00, p.bankMoney(w, "/wallet/v1/top_ups", 500_01))
		w.ok(t, 201, p.bankMoney(w, "/wallet/v1/top_ups", 90_01), nil) // the bank refuses it, and it is given back
		w.quiet(t)
		w.exceeds(t, "plain.top_up.day", 500_00, p.bankMoney(w, "/wallet/v1/top_ups", 500_01))
		w.topUp(t, p, 500_00)
		w.quiet(t)
		w.exceeds(t, "plain.top_up.day", 0, p.bankMoney(w, "/wallet/v1/top_ups", 1))
	}, noon, func(c *config.Config) { c.Jurisdiction = "plain" })
}

// dryOf makes a request a dry run.
func (w *world) dryOf(call apitest.Request) apitest.Request {
	call.Path += "?dry_run=true"
	return call
}
