package ledger

import (
	"fmt"
	"slices"
	"strings"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/money"
)

// Book is one of the two sets of books: each is balanced by itself.
type Book string

const (
	// Clients is the book of other people's money, backed by the client reserve.
	Clients Book = "clients"
	// Own is the operator's own book.
	Own Book = "own"
)

// Side is the normal side of an account: the one on which its balance is positive.
type Side string

// The two sides. A transfer always has both.
const (
	Debit  Side = "debit"
	Credit Side = "credit"
)

// Code is a line of the chart of accounts: four digits.
type Code string

// The codes that flows of this platform post to. The chart holds more; see Chart.
const (
	ClientReserve     Code = "1001"
	ChannelReceivable Code = "1101"
	PayoutsInTransit  Code = "1102"
	DueFromOwnFunds   Code = "1901"
	UserBalance       Code = "2001"
	UserHold          Code = "2002"
	MerchantPending   Code = "2101"
	MerchantEscrow    Code = "2103"
	DueFromReserve    Code = "1902"
	MerchantDebt      Code = "1401"
	OwnPayables       Code = "2502"
	FeeIncome         Code = "4001"
	ChannelCost       Code = "5001"
)

// ChartLine describes one code of the chart of accounts.
type ChartLine struct {
	Code  Code   `json:"code"`
	Book  Book   `json:"book"`
	Name  string `json:"name"`
	Side  Side   `json:"side"`
	Class string `json:"class"` // asset, liability, equity, income or expense
	// Protected accounts never go below zero (or below their credit line).
	Protected bool `json:"protected"`
}

// Chart returns the chart of accounts of a payment institution, by code. A new line is one line
// here. Mirror accounts 1901 and 1902 have balances on either side and sum to zero.
func Chart() []ChartLine {
	return []ChartLine{
		{"1001", Clients, "client reserve", Debit, "asset", false},
		{"1002", Own, "own bank accounts", Debit, "asset", false},
		{"1101", Clients, "channel receivable", Debit, "asset", false},
		{"1102", Clients, "payouts in transit", Credit, "liability", false},
		{"1201", Clients, "suspense debit", Debit, "asset", false},
		{"1301", Own, "credit principal receivable", Debit, "asset", false},
		{"1302", Own, "credit interest and fees receivable", Debit, "asset", false},
		{"1303", Own, "credit loss allowance", Credit, "asset", false},
		{"1401", Own, "merchant receivable", Debit, "asset", false},
		{"1501", Clients, "digital assets, hot", Debit, "asset", false},
		{"1502", Clients, "digital assets, cold", Debit, "asset", false},
		{"1601", Own, "currency position", Debit, "asset", false},
		{"1901", Clients, "due from own funds", Debit, "asset", false},
		{"1902", Own, "due from the client reserve", Debit, "asset", false},
		{"2001", Clients, "user balance", Credit, "liability", true},
		{"2002", Clients, "user hold", Credit, "liability", true},
		{"2101", Clients, "merchant pending", Credit, "liability", true},
		{"2102", Clients, "merchant available", Credit, "liability", true},
		{"2103", Clients, "merchant escrow", Credit, "liability", true},
		{"2201", Clients, "channel payable", Credit, "liability", false},
		{"2301", Clients, "suspense credit", Credit, "liability", false},
		{"2401", Clients, "red packets outstanding", Credit, "liability", true},
		{"2501", Own, "taxes payable", Credit, "liability", false},
		{"2502", Own, "own payables", Credit, "liability", false},
		{"3001", Own, "paid-in capital", Credit, "equity", false},
		{"3002", Own, "retained earnings", Credit, "equity", false},
		{"4001", Own, "fee income", Credit, "income", false},
		{"4002", Own, "interest income", Credit, "income", false},
		{"5001", Own, "channel cost", Debit, "expense", false},
		{"5002", Own, "marketing cost", Debit, "expense", false},
		{"5003", Own, "losses", Debit, "expense", false},
		{"5004", Own, "rounding difference", Debit, "expense", false},
	}
}

// AccountID says what the account is: `<code>:<currency>[:<owner>]`. The owner is a customer, a
// merchant, a channel, or a node's stripe of an operator's account.
type AccountID string

// Account names the account of code, currency and owner; owner may be empty.
func Account(code Code, currency money.Currency, owner string) AccountID {
	if owner == "" {
		return AccountID(string(code) + ":" + string(currency))
	}
	return AccountID(string(code) + ":" + string(currency) + ":" + owner)
}

// Code returns the chart code in front of the id.
func (a AccountID) Code() Code {
	code, _, _ := strings.Cut(string(a), ":")
	return Code(code)
}

// Currency returns the currency in the middle of the id.
func (a AccountID) Currency() money.Currency {
	_, rest, _ := strings.Cut(string(a), ":")
	currency, _, _ := strings.Cut(rest, ":")
	return money.Currency(currency)
}

// Owner returns what stands behind the currency, "" if nothing does.
func (a AccountID) Owner() string {
	parts := strings.SplitN(string(a), ":", 3)
	if len(parts) < 3 {
		return ""
	}
	return parts[2]
}

// ParseAccountID reads an account id. Errors: ledger.bad_account, also for a code that the chart lacks.
func ParseAccountID(s string) (AccountID, error) {
	a := AccountID(s)
	_, known := lineOf(Chart(), a.Code())
	_, err := money.ParseCurrency(string(a.Currency()))
	if !known || err != nil || Account(a.Code(), a.Currency(), a.Owner()) != a || strings.ContainsAny(s, " \n\"\\") {
		return "", fault.New(
			fault.Invalid,
			"ledger.bad_account",
			"an account is written code:currency[:owner], for example 2001:CNY:cus_…",
		)
	}
	return a, nil
}

func lineOf(chart []ChartLine, code Code) (ChartLine, bool) {
	i, found := slices.BinarySearchFunc(
		chart,
		code,
		func(l ChartLine, c Code) int { return strings.Compare(string(l.Code), string(c)) },
	)
	if !found {
		return ChartLine{}, false
	}
	return chart[i], true
}

func (l *Ledger) line(code Code) (ChartLine, error) {
	line, ok := l.chart[code]
	if !ok {
		return ChartLine{}, fault.New(fault.Internal, "ledger.unknown_code", "the chart of accounts lacks a code").
			WithCause(fmt.Errorf("code %s", code))
	}
	return line, nil
}
