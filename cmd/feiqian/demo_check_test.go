package main

import (
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/money"
)

func TestStatementWrong(t *testing.T) {
	t.Parallel()
	yuan := func(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "CNY"} }
	moves := []move{{step: 1, amount: yuan(50)}, {step: 2, amount: yuan(-10)}}
	told := &account{before: yuan(100), after: yuan(140), moves: moves}
	posting := func(n int64, side ledger.Side, minor, balance int64) ledger.Posting {
		return ledger.Posting{N: n, Side: side, Amount: yuan(minor), Balance: yuan(balance)}
	}
	in, out := posting(8, ledger.Credit, 50, 150), posting(9, ledger.Debit, 10, 140)
	for _, test := range []struct {
		name     string
		postings []ledger.Posting
		wrong    string
	}{
		{"AsTold", []ledger.Posting{in, out}, ""},
		{"Missing", []ledger.Posting{in}, "2 moves were told, and the statement has 1"},
		{"OtherOrder", []ledger.Posting{out, in}, "is -0.10 CNY, and step 1"},
		{"OtherSide", []ledger.Posting{in, posting(9, ledger.Credit, 10, 160)}, "is 0.10 CNY, and step 2"},
		{"BalanceJumps", []ledger.Posting{in, posting(9, ledger.Debit, 10, 141)}, "the lines so far make 1.40 CNY"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := told.statementWrong(test.postings)
			if (got == "") != (test.wrong == "") || !strings.Contains(got, test.wrong) {
				t.Errorf("statementWrong says %q, want %q", got, test.wrong)
			}
		})
	}
}

func TestEventsWrong(t *testing.T) {
	t.Parallel()
	made, paid := happening{"payment.created", "pay_1"}, happening{"payment.succeeded", "pay_1"}
	for _, test := range []struct {
		name  string
		heard []happening
		wrong string
	}{
		{"AsTold", []happening{made, paid}, ""},
		{"Missing", []happening{made}, "payment.succeeded of pay_1 is missing"},
		{"Twice", []happening{made, paid, paid}, "payment.succeeded of pay_1 did not happen here"},
		{"OtherOrder", []happening{paid, made}, "event 1 is payment.succeeded of pay_1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := eventsWrong([]happening{made, paid}, test.heard)
			if (got == "") != (test.wrong == "") || !strings.Contains(got, test.wrong) {
				t.Errorf("eventsWrong says %q, want %q", got, test.wrong)
			}
		})
	}
}
