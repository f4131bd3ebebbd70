package emvqr

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/feiqian/feiqian/internal/fault"
)

// Mode says how much of the specification a code must keep.
type Mode uint8

const (
	// Strict wants every mandatory field in its form.
	Strict Mode = iota
	// Lenient takes codes whose form and check sum are right though fields lack or have another form: such codes are
	// printed in many countries.
	Lenient
)

// idLength and lengthLength are the characters in front of a value.
const (
	idLength = 2
	head     = 4
	crcField = "6304"
	crcSize  = 4
	depthMax = 3 // 62, a scheme's template in it, its fields
)

// LooksLike reports whether a text claims to be such a code: each begins with its payload format.
func LooksLike(data string) bool { return strings.HasPrefix(data, "0002") }

// Parse reads a code. Errors, each with the place in it: emvqr.too_long, emvqr.not_text, emvqr.not_emv,
// emvqr.truncated, emvqr.bad_id, emvqr.bad_length, emvqr.duplicate, emvqr.bad_crc, emvqr.bad_order, and in Strict mode
// emvqr.missing and emvqr.bad_value.
func Parse(data string, mode Mode) (Code, error) {
	if utf8.RuneCountInString(data) > SizeMax {
		return Code{}, refusal("too_long", "a code has at most %d characters, this one has %d",
			SizeMax, utf8.RuneCountInString(data))
	}
	if !utf8.ValidString(data) || !printable(data) {
		return Code{}, refusal("not_text", "a code is printable text in UTF-8")
	}
	if !strings.HasPrefix(data, "000201") {
		return Code{}, refusal("not_emv", "a code begins with 000201, the payload format")
	}
	fields, err := split([]rune(data), 0, "")
	if err != nil {
		return Code{}, err
	}
	if err := checkCRC(data, fields); err != nil {
		return Code{}, err
	}
	code := Code{Fields: fields[:len(fields)-1]}
	if err := open(code.Fields, rootSpec, "", mode, 1); err != nil {
		return Code{}, err
	}
	if mode == Strict {
		return code, checkCode(code)
	}
	return code, nil
}

// split cuts characters into fields. at is where they begin in the code, path the template's.
func split(chars []rune, at int, path string) ([]Field, error) {
	var out []Field
	for len(chars) > 0 {
		if len(chars) < head {
			return nil, refusal("truncated", "%d characters are left at character %d%s, fewer than an ID and a length",
				len(chars), at+1, in(path))
		}
		name, length := string(chars[:idLength]), string(chars[idLength:head])
		if !isDigits(name) || !isASCII(name) {
			return nil, refusal("bad_id", "the ID at character %d%s is not two digits", at+1, in(path))
		}
		if !isDigits(length) || !isASCII(length) || length == "00" {
			return nil, refusal("bad_length", "the length of field %s at character %d is not 01 to 99", path+name, at+idLength+1)
		}
		size := int(length[0]-'0')*10 + int(length[1]-'0') //nolint:mnd // decimal
		if len(chars) < head+size {
			return nil, refusal("truncated", "field %s at character %d says %d characters and has %d",
				path+name, at+1, size, len(chars)-head)
		}
		if slices.ContainsFunc(out, func(f Field) bool { return f.ID == name }) {
			return nil, refusal("duplicate", "field %s at character %d is there twice", path+name, at+1)
		}
		out = append(out, Field{ID: name, Value: string(chars[head : head+size])})
		chars, at = chars[head+size:], at+head+size
	}
	return out, nil
}

// checkCRC wants the check sum last and right. It covers all bytes up to its own ID and length.
func checkCRC(data string, fields []Field) error {
	last := fields[len(fields)-1]
	if last.ID != IDCRC || len(last.Value) != crcSize {
		return refusal("bad_order", "field 63, the check sum of 4 characters, must be the last one")
	}
	if want := CRC(data[:len(data)-crcSize]); !strings.EqualFold(want, last.Value) {
		return refusal("bad_crc", "the check sum in field 63 is wrong: the code was read badly or changed")
	}
	return nil
}

// open reads the fields in templates. A template whose inside is none stays as it is, but for those whose inside the
// specification knows.
func open(fields []Field, specOf func(string) spec, path string, mode Mode, depth int) error {
	for i := range fields {
		field := &fields[i]
		known := specOf(field.ID)
		if known.sub == nil || depth >= depthMax {
			continue
		}
		inside, err := split([]rune(field.Value), 0, path+field.ID+".")
		if err == nil {
			err = open(inside, known.inside(), path+field.ID+".", mode, depth+1)
		}
		if err != nil {
			if mode == Lenient {
				continue // it is shown as it stands
			}
			return err
		}
		field.Fields = inside
	}
	return nil
}

// checkCode holds all fields against the tables, and the few rules between fields.
func checkCode(code Code) error {
	fields := append(slices.Clone(code.Fields), Field{ID: IDCRC, Value: "0000"})
	if err := checkFields(fields, rootSpec, ""); err != nil {
		return err
	}
	if len(code.Accounts()) == 0 {
		return refusal("missing", "there is no merchant account, fields 02 to 51")
	}
	for _, wants := range []struct{ tip, field string }{{"02", IDTipFixed}, {"03", IDTipPercent}} {
		if (code.Get(IDTip) == wants.tip) != (code.Get(wants.field) != "") {
			return refusal("bad_value", "fields 55 and %s do not agree about the tip", wants.field)
		}
	}
	if tip := code.Get(IDTip); tip != "" && (tip < "01" || tip > "03") {
		return refusal("bad_value", "field 55 (tip) is 01, 02 or 03")
	}
	if said := code.Get(IDInitiation); said != "" && said != string(Static) && said != string(Dynamic) {
		return refusal("bad_value", "field 01 (point_of_initiation) is 11 or 12")
	}
	return nil
}

func checkFields(fields []Field, specOf func(string) spec, path string) error {
	for _, name := range musts(specOf) {
		if !slices.ContainsFunc(fields, func(f Field) bool { return f.ID == name }) {
			return refusal("missing", "field %s%s (%s) is missing", path, name, specOf(name).name)
		}
	}
	for _, field := range fields {
		known := specOf(field.ID)
		size := utf8.RuneCountInString(field.Value)
		if size < known.min || size > known.max || !known.form.fits(field.Value) {
			return refusal("bad_value", "field %s%s (%s) has a wrong length or form", path, field.ID, known.name)
		}
		if len(field.Fields) > 0 {
			if err := checkFields(field.Fields, known.inside(), path+field.ID+"."); err != nil {
				return err
			}
		}
	}
	return nil
}

func refusal(code, format string, args ...any) *fault.Fault {
	return fault.Newf(fault.Invalid, "emvqr."+code, format, args...)
}

func in(path string) string {
	if path == "" {
		return ""
	}
	return " of field " + strings.TrimSuffix(path, ".")
}

func isASCII(s string) bool { return len(s) == utf8.RuneCountInString(s) }

// printable reports whether a text has no control characters and nothing that hides or turns other text.
func printable(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || (!unicode.IsGraphic(r) && r != '\u200d') {
			return false
		}
	}
	return true
}
