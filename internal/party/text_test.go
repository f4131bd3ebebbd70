package party_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/party"
)

func TestParsePhone(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ in, want string }{
		{"13800000001", "+8613800000001"},
		{"+86 138 0000 0001", "+8613800000001"},
		{"0086 13800000001", "+8613800000001"},
		{"１３８００００００01", "+8613800000001"}, // full-width digits, as a Chinese keyboard gives them
		{"+1 201-555-0123", "+12015550123"},
		{"+44 7400 123456", "+447400123456"},
		{"+85251234567", "+85251234567"},
		{"", ""},
		{"1380000000", ""},
		{"138000000012", ""},
		{"+86 12345678901", ""},
		{"13800000001;ext=5", ""},
		{"not a number", ""},
		{"+", ""},
		{strings.Repeat("1", 400), ""},
	} {
		got, err := party.ParsePhone(test.in)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("ParsePhone(%q) = %q, %v, want %q", test.in, got, err, test.want)
		}
		shown := err != nil && len(test.in) > 4 && strings.Contains(err.Error(), test.in)
		if err != nil && fault.CodeOf(err) != "party.bad_phone" || shown {
			t.Errorf("ParsePhone(%q): %v", test.in, err)
		}
	}
}

func TestMask(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ phone, want string }{
		{"+8613800000001", "138****0001"},
		{"+12015550123", "+1 ****0123"},
		{"+85251234567", "+852 ****4567"},
		{"", ""},
		{"rubbish", ""},
		{"+8612", ""},
	} {
		if got := party.MaskPhone(test.phone); got != test.want {
			t.Errorf("MaskPhone(%q) = %q, want %q", test.phone, got, test.want)
		}
	}
	for _, test := range []struct{ name, want string }{
		{"张三", "张*"}, {"欧阳小明", "欧***"}, {"张", "*"}, {"John A Smithson", "J*** A S***"}, {"", ""}, {"Li", "L*"},
	} {
		if got := party.MaskName(test.name); got != test.want {
			t.Errorf("MaskName(%q) = %q, want %q", test.name, got, test.want)
		}
	}
	c := party.Customer{ID: "cus_1", Phone: "+8613800000001", Name: "张三"}
	c.Credential.PasswordHash = "secret"
	if got := c.Masked(); got != (party.MaskedCustomer{ID: "cus_1", Phone: "138****0001", Name: "张*"}) {
		t.Errorf("masked %v", got)
	}
	printed := fmt.Sprintf("%v %+v %s %#v", c, c, c, c.Credential)
	if strings.Contains(printed, "138") || strings.Contains(printed, "secret") {
		t.Errorf("printed %s", printed)
	}
}

func TestParseName(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		in string
		ok bool
	}{
		{"张三", true},
		{"O'Neill-Müller Jr.", true},
		{strings.Repeat("张", 64), true},
		{strings.Repeat("张", 65), false},
		{"", false},
		{" \t ", false},
		{"a\nb", false},
		{"a\x00b", false},
		{"a\u202eb", false}, // turns the text round
		{"\xff", false},
	} {
		if _, err := party.ParseName(test.in); (err == nil) != test.ok {
			t.Errorf("ParseName(%q): %v", test.in, err)
		}
	}
}

func FuzzParsePhone(f *testing.F) {
	for _, seed := range []string{
		"13800000001", "+8613800000001", "+1 (201) 555-0123", "tel:+44-7400-123456;ext=1", "０１３８", "+",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		phone, err := party.ParsePhone(in)
		if err != nil {
			if phone != "" {
				t.Errorf("%q gives %q and %v", in, phone, err)
			}
			return
		}
		if len(phone) > 16 || phone[0] != '+' || strings.Trim(phone[1:], "0123456789") != "" {
			t.Errorf("%q gives %q", in, phone)
		}
		if again, err := party.ParsePhone(phone); again != phone || err != nil {
			t.Errorf("%q gives %q gives %q, %v", in, phone, again, err)
		}
		if masked := party.MaskPhone(phone); masked == phone || strings.Contains(masked, phone[1:]) {
			t.Errorf("mask of %q is %q", phone, masked)
		}
	})
}

func FuzzNames(f *testing.F) {
	f.Add("张三")
	f.Add("a b")
	f.Fuzz(func(t *testing.T, in string) {
		name, err := party.ParseName(in)
		if err == nil && (utf8.RuneCountInString(name) > 64 || strings.ContainsRune(name, 0)) {
			t.Errorf("%q passes as %q", in, name)
		}
		if masked := party.MaskName(in); len(masked) > 4*len(in)+1 {
			t.Errorf("mask of %q is %q", in, masked)
		}
	})
}
