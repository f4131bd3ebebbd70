package emvqr

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// CRC is the check sum of a code up to and including "6304": polynomial 0x1021, start 0xFFFF (MPM 1.0 §4.7.3),
// four upper-case hex digits.
func CRC(data string) string {
	crc := uint16(0xffff)
	for i := range len(data) {
		crc ^= uint16(data[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return fmt.Sprintf("%04X", crc)
}

// Encode returns the text of a code with its check sum. A field with Fields is written from these. Errors:
// emvqr.bad_value, emvqr.duplicate, emvqr.missing, emvqr.too_long: what Parse would not read strictly is not written.
func (c Code) Encode() (string, error) {
	body, err := write(c.Fields, "")
	if err != nil {
		return "", err
	}
	body += crcField
	body += CRC(body)
	if _, err := Parse(body, Strict); err != nil {
		return "", err
	}
	return body, nil
}

func write(fields []Field, path string) (string, error) {
	var out strings.Builder
	for _, field := range fields {
		value := field.Value
		if len(field.Fields) > 0 {
			var err error
			if value, err = write(field.Fields, path+field.ID+"."); err != nil {
				return "", err
			}
		}
		size := utf8.RuneCountInString(value)
		if len(field.ID) != idLength || size == 0 || size > valueMax {
			return "", refusal("bad_value", "field %s%s has %d characters, 1 to 99 fit", path, field.ID, size)
		}
		_, _ = out.WriteString(field.ID + twoDigits(size) + value)
	}
	return out.String(), nil
}
