package emvqr_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/feiqian/feiqian/internal/emvqr"
	"github.com/feiqian/feiqian/internal/fault"
)

// example is the code of EMVCo's specification with an account of two networks, a language and free templates.
const example = "00020101021229300012D156000000000510A93FO3230Q31280012D15600000001030812345678520441115802CN" +
	"5914BEST TRANSPORT6007BEIJING64200002ZH0104最佳运输0202北京540523.7253031565502016233030412340603***0708A6008667" +
	"0902ME91320016A0112233449988770708123456786304A13A"

func TestCRC(t *testing.T) {
	t.Parallel()
	if got := emvqr.CRC("123456789"); got != "29B1" {
		t.Errorf("CRC-16/CCITT-FALSE of 123456789 is %s, want 29B1", got)
	}
}

func TestParseExample(t *testing.T) {
	t.Parallel()
	code, err := emvqr.Parse(example, emvqr.Strict)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		path  []string
		value string
	}{
		{[]string{"29", "00"}, "D15600000000"},
		{[]string{"29", "05"}, "A93FO3230Q"},
		{[]string{"52"}, "4111"},
		{[]string{"54"}, "23.72"},
		{[]string{"53"}, "156"},
		{[]string{"62", "03"}, "1234"},
		{[]string{"62", "06"}, "***"},
		{[]string{"62", "09"}, "ME"},
		{[]string{"64", "01"}, "最佳运输"},
		{[]string{"91", "00"}, "A011223344998877"},
		{[]string{"91", "07"}, "12345678"},
		{[]string{"91", "08"}, ""},
		{[]string{"65"}, ""},
	} {
		if got := code.Get(want.path...); got != want.value {
			t.Errorf("field %v is %q, want %q", want.path, got, want.value)
		}
	}
	if code.Initiation() != emvqr.Dynamic || code.Name("zh") != "最佳运输" || code.Name("en") != "BEST TRANSPORT" {
		t.Errorf("%s %s %s", code.Initiation(), code.Name("zh"), code.Name("en"))
	}
	if account, found := code.Account("d15600000001"); !found || account.ID != "31" || len(code.Accounts()) != 2 {
		t.Errorf("account %+v of %d", account, len(code.Accounts()))
	}
	if again, err := code.Encode(); err != nil || again != example {
		t.Errorf("written again: %s %v", again, err)
	}
	if !slices.Contains(code.Explain(), emvqr.Line{Path: "62.07", Name: "terminal_label", Value: "A6008667"}) {
		t.Errorf("explained: %v", code.Explain())
	}
}

func sealed(body string) string { return body + "6304" + emvqr.CRC(body+"6304") }

const shop = "00020152045812530315658" + "02CN5903TEA6007BEIJING"

func TestParse(t *testing.T) {
	t.Parallel()
	account := "15160000000000000001"
	for name, test := range map[string]struct {
		data    string
		code    string // "" is right
		lenient string // what Lenient says, "" is right
		says    string
	}{
		"Network":             {data: sealed(shop + account)},
		"Static":              {data: sealed(shop + account + "010211")},
		"AmountPointLast":     {data: sealed(shop + account + "540398.")},
		"LowerCaseCRC":        {data: lower(sealed(shop + account))},
		"Script":              {data: sealed(strings.Replace(shop, "5903TEA", "5925<script>alert(1)</script>", 1) + account)},
		"Empty":               {code: "not_emv", lenient: "not_emv"},
		"Ours":                {data: "https://pay.example/q/abc", code: "not_emv", lenient: "not_emv"},
		"OtherVersion":        {data: sealed("000202"), code: "not_emv", lenient: "not_emv"},
		"Huge":                {data: strings.Repeat("0", 10_000), code: "too_long", lenient: "too_long", says: "10000"},
		"Control":             {data: "000201\x00", code: "not_text", lenient: "not_text"},
		"NotUTF8":             {data: "000201\xff", code: "not_text", lenient: "not_text"},
		"WrongCRC":            {data: shop + account + "63040000", code: "bad_crc", lenient: "bad_crc", says: "63"},
		"NoCRC":               {data: shop + account, code: "bad_order", lenient: "bad_order"},
		"CRCNotLast":          {data: sealed(shop+account) + "5405" + "12.34", code: "bad_order", lenient: "bad_order"},
		"CutInHead":           {data: shop + "63", code: "truncated", lenient: "truncated", says: "character 46"},
		"CutInValue":          {data: shop + "5413" + "12", code: "truncated", lenient: "truncated", says: "field 54"},
		"LengthZero":          {data: sealed(shop + "5400"), code: "bad_length", lenient: "bad_length", says: "field 54"},
		"LengthNoNumber":      {data: sealed(shop + "54x3123"), code: "bad_length", lenient: "bad_length"},
		"LengthOtherDigits":   {data: sealed(shop + "54٠3123"), code: "bad_length", lenient: "bad_length"},
		"IDNoNumber":          {data: sealed(shop + "x401" + "1"), code: "bad_id", lenient: "bad_id"},
		"Twice":               {data: sealed(shop + account + account), code: "duplicate", lenient: "duplicate", says: "field 15"},
		"TwiceInTemplate":     {data: sealed(shop + account + "6212" + "0302AB0302CD"), code: "duplicate", says: "62.03"},
		"CutInTemplate":       {data: sealed(shop + account + "6206" + "0309AB"), code: "truncated", says: "62.03"},
		"NoAccount":           {data: sealed(shop), code: "missing"},
		"NoCategory":          {data: sealed(strings.Replace(shop, "52045812", "", 1) + account), code: "missing", says: "52"},
		"NoName":              {data: sealed(strings.Replace(shop, "5903TEA", "", 1) + account), code: "missing", says: "59"},
		"NoGlobalID":          {data: sealed(shop + "2606" + "0102AB"), code: "missing", says: "26.00"},
		"NoLanguage":          {data: sealed(shop + account + "6406" + "0102AB"), code: "missing", says: "64.00"},
		"AmountZero":          {data: sealed(shop + account + "54040.00"), code: "bad_value", says: "54"},
		"AmountComma":         {data: sealed(shop + account + "540598,73"), code: "bad_value"},
		"AmountBlank":         {data: sealed(shop + account + "54053 705"), code: "bad_value"},
		"AmountTwoPoints":     {data: sealed(shop + account + "54051.2.3"), code: "bad_value"},
		"NameTooLong":         {data: sealed(strings.Replace(shop, "5903TEA", "5926"+strings.Repeat("A", 26), 1) + account), code: "bad_value"},
		"TipWithoutFigure":    {data: sealed(shop + account + "550202"), code: "bad_value", says: "56"},
		"TipFixed":            {data: sealed(shop + account + "550202" + "56011")},
		"TipPercent":          {data: sealed(shop + account + "550203" + "570505.50")},
		"TipPercentTooMuch":   {data: sealed(shop + account + "550203" + "5703100"), code: "bad_value"},
		"TipUnknown":          {data: sealed(shop + account + "550204"), code: "bad_value"},
		"InitiationUnknown":   {data: sealed(shop + account + "010213"), code: "bad_value"},
		"UnknownTemplateKept": {data: sealed(shop + account + "8012" + "0008org.test")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := emvqr.Parse(test.data, emvqr.Strict)
			check(t, err, test.code, test.says)
			_, err = emvqr.Parse(test.data, emvqr.Lenient)
			check(t, err, test.lenient, "")
		})
	}
}

func lower(code string) string { return code[:len(code)-4] + strings.ToLower(code[len(code)-4:]) }

func check(t *testing.T, err error, code, says string) {
	t.Helper()
	if code == "" && err != nil {
		t.Errorf("refused: %v", err)
	}
	if code != "" && (fault.CodeOf(err) != "emvqr."+code || !strings.Contains(err.Error(), says)) {
		t.Errorf("refused with %v, want emvqr.%s with %q", err, code, says)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	text, err := emvqr.New(emvqr.Shop{
		Initiation: emvqr.Dynamic, GlobalID: "org.feiqian", Token: strings.Repeat("k", 52), Currency: "156", Amount: "19.99",
		Country: "CN", Name: "四海茶馆<b>", City: "北京", Store: "前门店", Reference: "order-1001",
	})
	if err != nil {
		t.Fatal(err)
	}
	code, err := emvqr.Parse(text, emvqr.Strict)
	if err != nil {
		t.Fatal(err)
	}
	account, found := code.Account("ORG.FEIQIAN")
	if !found || (emvqr.Code{Fields: account.Field.Fields}).Get("01") != strings.Repeat("k", 52) ||
		code.Name("ZH") != "四海茶馆<b>" || code.Get("54") != "19.99" || code.Get("62", "05") != "order-1001" {
		t.Errorf("%s", text)
	}
	if _, err := emvqr.New(emvqr.Shop{Initiation: emvqr.Static, GlobalID: "org.feiqian", Token: "k"}); err == nil {
		t.Error("a code without currency and country was written")
	}
}

// TestRoundTrip writes shops of all kinds and reads them again.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := func(name string) string { return rapid.StringN(0, 60, -1).Draw(t, name) }
		text, err := emvqr.New(emvqr.Shop{
			Initiation: emvqr.Static, GlobalID: "org.feiqian", Token: "t", Currency: "156", Country: "CN",
			Name: word("name"), City: word("city"), Store: word("store"), Reference: word("reference"), Purpose: word("purpose"),
		})
		if err != nil {
			t.Fatalf("write: %v", err)
		}
		code, err := emvqr.Parse(text, emvqr.Strict)
		if err != nil {
			t.Fatalf("read %q: %v", text, err)
		}
		if again, err := code.Encode(); err != nil || again != text {
			t.Fatalf("%q became %q: %v", text, again, err)
		}
	})
}

// FuzzParse reads anything; what it reads strictly it writes again as it was, but for the case of the check sum.
func FuzzParse(f *testing.F) {
	f.Add(example)
	f.Add(sealed(shop))
	f.Add("000201")
	f.Fuzz(func(t *testing.T, data string) {
		_, _ = emvqr.Parse(data, emvqr.Lenient)
		code, err := emvqr.Parse(data, emvqr.Strict)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("%q: %v", data, err)
			}
			return
		}
		again, err := code.Encode()
		if err != nil || again[:len(again)-4] != data[:len(data)-4] {
			t.Fatalf("%q became %q: %v", data, again, err)
		}
	})
}
