package payment_test

import (
	"slices"
	"testing"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/payment"
)

// TestMove tries every pair of states.
func TestMove(t *testing.T) {
	t.Parallel()
	moves := map[payment.State][]payment.State{ //nolint:exhaustive // the others are final
		payment.Created: {
			payment.Processing, payment.Authorized, payment.Succeeded, payment.Declined, payment.Expired, payment.Voided,
		},
		payment.Processing: {payment.Created, payment.Succeeded, payment.Declined},
		payment.Authorized: {payment.Succeeded, payment.Expired, payment.Voided},
	}
	for _, from := range payment.States() {
		for _, to := range payment.States() {
			got, err := from.Move(to)
			if slices.Contains(moves[from], to) {
				if got != to || err != nil {
					t.Errorf("%s to %s: %s, %v", from, to, got, err)
				}
				continue
			}
			if got != from || fault.CodeOf(err) != "payment.already_"+string(from) || fault.KindOf(err) != fault.Conflict {
				t.Errorf("%s to %s: %s, %v", from, to, got, err)
			}
		}
		if from.Final() == (len(moves[from]) > 0) {
			t.Errorf("%s final: %v", from, from.Final())
		}
	}
}

// TestMoveRefund tries every pair of a refund's states; it begins with none.
func TestMoveRefund(t *testing.T) {
	t.Parallel()
	moves := map[payment.RefundState][]payment.RefundState{ //nolint:exhaustive // the others are final
		"": {payment.RefundInReview, payment.RefundProcessing, payment.RefundSucceeded},
		payment.RefundInReview: {
			payment.RefundProcessing, payment.RefundSucceeded, payment.RefundRejected, payment.RefundWithdrawn,
		},
		payment.RefundProcessing: {payment.RefundSucceeded, payment.RefundDeclined},
	}
	for _, from := range append(payment.RefundStates(), "") {
		for _, to := range payment.RefundStates() {
			got, err := from.Move(to)
			if slices.Contains(moves[from], to) {
				if got != to || err != nil {
					t.Errorf("%s to %s: %s, %v", from, to, got, err)
				}
			} else if got != from || fault.CodeOf(err) != "refund.already_decided" {
				t.Errorf("%s to %s: %s, %v", from, to, got, err)
			}
		}
		if from.Final() == (len(moves[from]) > 0) {
			t.Errorf("%s final: %v", from, from.Final())
		}
	}
}

// TestMoveDispute tries every pair of a dispute's states.
func TestMoveDispute(t *testing.T) {
	t.Parallel()
	moves := map[payment.DisputeState][]payment.DisputeState{ //nolint:exhaustive // the others are final
		payment.DisputeOpen: {payment.DisputeInReview, payment.DisputeAccepted, payment.DisputeWithdrawn},
		payment.DisputeInReview: {
			payment.DisputeAccepted, payment.DisputeUpheld, payment.DisputeRejected, payment.DisputeWithdrawn,
		},
	}
	for _, from := range payment.DisputeStates() {
		for _, to := range payment.DisputeStates() {
			got, err := from.Move(to)
			if slices.Contains(moves[from], to) {
				if got != to || err != nil {
					t.Errorf("%s to %s: %s, %v", from, to, got, err)
				}
			} else if got != from || fault.CodeOf(err) != "dispute.wrong_state" {
				t.Errorf("%s to %s: %s, %v", from, to, got, err)
			}
		}
		if from.Final() == (len(moves[from]) > 0) {
			t.Errorf("%s final: %v", from, from.Final())
		}
	}
}

func TestCheckAmount(t *testing.T) {
	t.Parallel()
	kept := []money.Currency{"CNY", "HKD"}
	for _, test := range []struct {
		amount money.Amount
		code   string
	}{
		{money.Amount{Minor: 1, Currency: "CNY"}, ""},
		{money.Amount{Minor: money.MaxMinor, Currency: "HKD"}, ""},
		{money.Amount{Minor: 0, Currency: "CNY"}, "money.not_positive"},
		{money.Amount{Minor: -1, Currency: "CNY"}, "money.not_positive"},
		{money.Amount{Minor: money.MaxMinor + 1, Currency: "CNY"}, "money.overflow"},
		{money.Amount{Minor: 1, Currency: "USD"}, "payment.currency_not_supported"},
		{money.Amount{Minor: 1, Currency: "XYZ"}, "money.unknown_currency"},
		{money.Amount{Minor: 1, Currency: "cny"}, "money.unknown_currency"},
		{money.Amount{Minor: 1}, "money.unknown_currency"},
	} {
		err := payment.CheckAmount(test.amount, kept)
		if fault.CodeOf(err) != test.code || (err != nil && fault.KindOf(err) != fault.Invalid) {
			t.Errorf("%+v: %v, want %s", test.amount, err, test.code)
		}
	}
}

// TestForPayer: what is between merchant and operator is not for the payer.
func TestForPayer(t *testing.T) {
	t.Parallel()
	row := payment.Payment{
		ID:       "pay_1",
		Merchant: "mer_1",
		State:    payment.Succeeded,
		Amount:   money.Amount{Minor: 5, Currency: "CNY"},
	}
	view := row.ForPayer("Tea")
	if view.ID != row.ID || view.MerchantName != "Tea" || view.Amount != row.Amount || view.State != row.State {
		t.Errorf("%+v", view)
	}
	if !slices.Contains(payment.States(), view.State) {
		t.Errorf("state %s", view.State)
	}
}
