package card_test

import (
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/sandbox/issuer"
	"github.com/feiqian/feiqian/internal/vault"
)

func TestLookUp(t *testing.T) {
	t.Parallel()
	number := func(prefix string, length int) string {
		return issuer.Number(issuer.NumberForm{Prefix: prefix, Length: length, Serial: 42})
	}
	for name, test := range map[string]struct {
		number, issuer, scheme string
		kind                   card.Type
		unknown                bool
	}{
		"ICBC debit":         {number("622202", 19), "ICBC", "unionpay", card.Debit, false},
		"ABC debit":          {number("622848", 19), "ABC", "unionpay", card.Debit, false},
		"BOC prepaid":        {number("620514", 16), "BOC", "unionpay", card.Prepaid, false},
		"CMB credit":         {number("622575", 16), "CMB", "unionpay", card.Credit, false},
		"CMB visa":           {number("439225", 16), "CMB", "visa", card.Credit, false},
		"CIB 18 digits":      {number("622908", 18), "CIB", "unionpay", card.Debit, false},
		"BOCOM 17 digits":    {number("405512", 17), "COMM", "unionpay", card.Debit, false},
		"another length":     {number("622202", 16), "", "unionpay", "", false},
		"unknown unionpay":   {number("629999", 19), "", "unionpay", "", false},
		"visa 13":            {number("400000", 13), "", "visa", "", false},
		"mastercard 51":      {number("510000", 16), "", "mastercard", "", false},
		"mastercard 55":      {number("559999", 16), "", "mastercard", "", false},
		"mastercard 2221":    {number("222100", 16), "", "mastercard", "", false},
		"mastercard 2720":    {number("272099", 16), "", "mastercard", "", false},
		"below mastercard":   {number("222099", 16), "", "", "", true},
		"above mastercard":   {number("272100", 16), "", "", "", true},
		"mastercard 17":      {number("510000", 17), "", "", "", true},
		"amex":               {number("371449", 15), "", "amex", "", false},
		"jcb":                {number("353011", 16), "", "jcb", "", false},
		"diners":             {number("360000", 14), "", "diners", "", false},
		"discover":           {number("601111", 16), "", "discover", "", false},
		"nobody's":           {number("100000", 16), "", "", "", true},
		"nobody's 9":         {number("999990", 16), "", "", "", true},
		"unionpay 15 digits": {number("622202", 15), "", "", "", true},
	} {
		pan, err := vault.ParsePAN(test.number)
		if err != nil || !pan.Luhn() {
			t.Fatalf("%s: %v, check digit %v", name, err, pan.Luhn())
		}
		bin, known := card.LookUp(pan)
		if known == test.unknown || bin.Issuer != test.issuer || bin.Scheme != test.scheme || bin.Type != test.kind {
			t.Errorf("%s: %+v, %v", name, bin, known)
		}
		if bin.Issuer != "" && (bin.IssuerZH == "" || bin.IssuerEN == "" || card.IssuerNames(bin.Issuer).ZH != bin.IssuerZH) {
			t.Errorf("%s: the issuer has no names: %+v", name, bin)
		}
	}
	if _, known := card.LookUp(vault.PAN{}); known {
		t.Error("the zero PAN has an issuer")
	}
}

func FuzzLookUp(f *testing.F) {
	for _, seed := range []string{"6222021234567890128", "4111111111111111", "0000000000000", strings.Repeat("9", 19)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		pan, err := vault.ParsePAN(text)
		if err != nil {
			return
		}
		if bin, known := card.LookUp(pan); known && (!strings.HasPrefix(pan.Reveal(), bin.Prefix) ||
			bin.Length != len(pan.Reveal()) || bin.Scheme == "") {
			t.Fatalf("%v: %+v", pan, bin)
		}
	})
}
