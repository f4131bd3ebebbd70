package channel_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/money"
)

func bank() channel.Capabilities {
	return channel.Capabilities{
		Name:  "bank",
		Kinds: []channel.Kind{channel.KindPayIn},
		Terms: []channel.Terms{
			{Currency: "CNY", Min: 100, Max: 500_00, CostRate: 38, CostFixed: 10},
			{Currency: "JPY", Min: 1, Max: money.MaxMinor},
		},
		Declines:      []channel.Decline{{Theirs: "51", Code: channel.DeclineInsufficientFunds}},
		NotFoundGrace: time.Minute,
	}
}

func TestCapabilities_Check(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		kind   channel.Kind
		amount money.Amount
		code   string
	}{
		{"Lowest", channel.KindPayIn, money.Amount{Minor: 100, Currency: "CNY"}, ""},
		{"Highest", channel.KindPayIn, money.Amount{Minor: 500_00, Currency: "CNY"}, ""},
		{"BelowLowest", channel.KindPayIn, money.Amount{Minor: 99, Currency: "CNY"}, channel.CodeAmountOutOfRange},
		{"AboveHighest", channel.KindPayIn, money.Amount{Minor: 500_01, Currency: "CNY"}, channel.CodeAmountOutOfRange},
		{"Negative", channel.KindPayIn, money.Amount{Minor: -100, Currency: "CNY"}, channel.CodeAmountOutOfRange},
		{"OtherCurrency", channel.KindPayIn, money.Amount{Minor: 100, Currency: "USD"}, channel.CodeNotSupported},
		{"OtherKind", channel.KindPayOut, money.Amount{Minor: 100, Currency: "CNY"}, channel.CodeNotSupported},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if err := bank().Check(tc.kind, tc.amount); fault.CodeOf(err) != tc.code {
				t.Fatalf("got %v, want code %q", err, tc.code)
			}
		})
	}
}

func TestCapabilities_Cost(t *testing.T) {
	t.Parallel()
	got, err := bank().Cost(money.Amount{Minor: 100_00, Currency: "CNY"})
	if want := (money.Amount{Minor: 48, Currency: "CNY"}); err != nil || got != want {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if _, err := bank().Cost(money.Amount{Minor: 1, Currency: "USD"}); fault.CodeOf(err) != channel.CodeNotSupported {
		t.Errorf("USD: %v", err)
	}
}

func TestCapabilities_DeclineCode(t *testing.T) {
	t.Parallel()
	if got := bank().DeclineCode("51"); got != channel.DeclineInsufficientFunds {
		t.Errorf("51: %s", got)
	}
	if got := bank().DeclineCode("nobody told us"); got != channel.DeclineDoNotHonor {
		t.Errorf("unlisted: %s", got)
	}
}

func TestCapabilities_NotFoundTrusted(t *testing.T) {
	t.Parallel()
	sent := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if bank().NotFoundTrusted(sent, sent.Add(time.Minute-time.Microsecond)) {
		t.Error("trusted before the grace is over")
	}
	if !bank().NotFoundTrusted(sent, sent.Add(time.Minute)) {
		t.Error("not trusted after the grace")
	}
}

func TestMaskNumber(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]string{
		"9555010000001234": "****1234",
		"12345678":         "****5678",
		"1234567":          "****",
		"":                 "****",
		"DE0012 345678":    "****",
		"账号账号账号":           "****",
	} {
		if got := channel.MaskNumber(number); got != want {
			t.Errorf("%q: got %q, want %q", number, got, want)
		}
	}
}

func TestBindRequest_NeverPrinted(t *testing.T) {
	t.Parallel()
	request := channel.BindRequest{Number: "9555010000001234", HolderName: "Zhang Wei"}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("bind", slog.Any("request", request))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		_, _ = fmt.Fprintf(&out, verb, request)
		_, _ = fmt.Fprintf(&out, verb, &request)
		_, _ = fmt.Fprintf(&out, verb, struct{ R channel.BindRequest }{request})
	}
	for _, secret := range []string{"955501", "Zhang", "393535"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q is in the output: %s", secret, out.String())
		}
	}
}

func TestBindFault(t *testing.T) {
	t.Parallel()
	err := channel.BindFault(channel.DeclineNameMismatch)
	if err.Code != "channel.name_mismatch" || err.Kind != fault.Invalid || err.Param != "holder_name" {
		t.Errorf("got %#v", err)
	}
	if got := channel.BindFault(channel.DeclineDoNotHonor); got.Code != "channel.do_not_honor" || got.Param != "" {
		t.Errorf("got %#v", got)
	}
}
