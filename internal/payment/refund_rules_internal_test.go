package payment

import (
	"slices"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
)

// TestReview has a row for every way through the rules.
func TestReview(t *testing.T) {
	t.Parallel()
	review := RefundRules{PayerRequests: RequestsReviewed}
	automatic := RefundRules{PayerRequests: RequestsAutomatic, AutomaticMax: 100, AutomaticWithin: 3600}
	own := RefundRules{PayerRequests: RequestsReviewed, ReviewAbove: 100, OperatorAbove: 500}
	for name, test := range map[string]struct {
		rules    RefundRules
		origin   Origin
		amount   int64
		age      time.Duration
		reviewer Reviewer
		reasons  []string
	}{
		"Wish":              {review, ByPayer, 1, 0, MerchantReviewer, []string{ReasonPayerAsked}},
		"Merchant":          {review, ByMerchant, 1 << 50, 0, NoReviewer, nil},
		"Automatic":         {automatic, ByPayer, 100, time.Hour, NoReviewer, nil},
		"Above":             {automatic, ByPayer, 101, 0, MerchantReviewer, []string{ReasonAboveAutomatic}},
		"Late":              {automatic, ByPayer, 1, time.Hour + 1, MerchantReviewer, []string{ReasonLate}},
		"Both":              {automatic, ByPayer, 101, 2 * time.Hour, MerchantReviewer, []string{ReasonAboveAutomatic, ReasonLate}},
		"AutomaticMerchant": {automatic, ByMerchant, 101, 2 * time.Hour, NoReviewer, nil},
		"NoLimits":          {RefundRules{PayerRequests: RequestsAutomatic}, ByPayer, 1 << 50, 1 << 60, NoReviewer, nil},
		"AtOwn":             {own, ByMerchant, 100, 0, NoReviewer, nil},
		"AboveOwn":          {own, ByMerchant, 101, 0, MerchantReviewer, []string{ReasonAboveMerchant}},
		"AboveOperator":     {own, ByMerchant, 501, 0, StaffReviewer, []string{ReasonAboveMerchant, ReasonAboveOperator}},
		"WishAboveOperator": {own, ByPayer, 501, 0, StaffReviewer, []string{ReasonPayerAsked, ReasonAboveOperator}},
		"Staff":             {own, ByStaff, 1 << 50, 0, NoReviewer, nil},
	} {
		reviewer, reasons, err := test.rules.review(test.origin, test.amount, test.age)
		if reviewer != test.reviewer || !slices.Equal(reasons, test.reasons) || err != nil {
			t.Errorf("%s: %s %v %v", name, reviewer, reasons, err)
		}
	}
	_, _, err := RefundRules{PayerRequests: RequestsOff}.review(ByPayer, 1, 0)
	if fault.CodeOf(err) != "refund.requests_off" {
		t.Errorf("off: %v", err)
	}
}
