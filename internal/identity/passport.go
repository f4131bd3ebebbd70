package identity

import (
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
)

const (
	passportMin, passportMax = 6, 9 // ICAO 9303 part 4 gives a number nine characters
	permitLength             = 9
	mrzLine                  = 44 // characters of each of the two lines, ICAO 9303 part 4
	mrzFiller                = "<"
	mrzAlphabet              = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ<"
	pivotYears               = 10
)

// passportDocument reads a passport as its holder types it: 6 to 9 letters and digits with at least one digit, a date
// of birth and a date of expiry.
func passportDocument(d Document) (Document, error) {
	if len(d.Number) < passportMin || len(d.Number) > passportMax || !strings.ContainsAny(d.Number, "0123456789") {
		return Document{}, invalid("identity.bad_number", "this is not a passport number", "number")
	}
	if d.ExpiresOn == "" {
		return Document{}, invalid("identity.bad_expiry", "a passport has a date of expiry", "expires_on")
	}
	return d, nil
}

// returnPermitDocument reads a mainland travel permit: H (Hong Kong) or M (Macao) and eight digits.
func returnPermitDocument(d Document) (Document, error) {
	if len(d.Number) != permitLength || !strings.ContainsAny(d.Number[:1], "HM") ||
		strings.Trim(d.Number[1:], "0123456789") != "" {
		return Document{}, invalid("identity.bad_number", "this is not the number of such a permit", "number")
	}
	if d.ExpiresOn == "" {
		return Document{}, invalid("identity.bad_expiry", "a permit has a date of expiry", "expires_on")
	}
	return d, nil
}

// ParseMRZ reads the machine-readable zone of a passport, two lines of 44 characters (ICAO 9303 part 4, TD3), and
// checks its five check digits. Years are of two digits: a birth is never ahead of now, an expiry at most ten years
// behind it or else in front. The name is that of the zone: Latin capitals, maybe cut. Errors: identity.bad_mrz.
func ParseMRZ(text string, now time.Time) (Document, error) {
	bad := invalid("identity.bad_mrz", "these are not the two lines of a passport, or a character was misread", "mrz")
	lines := strings.Fields(strings.ToUpper(text))
	if len(lines) != 2 || len(lines[0]) != mrzLine || len(lines[1]) != mrzLine || lines[0][0] != 'P' {
		return Document{}, bad
	}
	if strings.Trim(lines[0]+lines[1], mrzAlphabet) != "" {
		return Document{}, bad
	}
	zone := lines[1]
	for _, part := range [][3]int{{0, 9, 9}, {13, 19, 19}, {21, 27, 27}, {28, 42, 42}} {
		if zone[part[2]] != mrzCheck(zone[part[0]:part[1]]) && (part[0] != 28 || !isEmptyOptional(zone)) {
			return Document{}, bad
		}
	}
	if zone[43] != mrzCheck(zone[0:10]+zone[13:20]+zone[21:43]) {
		return Document{}, bad
	}
	birth, ok := mrzDate(zone[13:19], now)
	expires, fine := mrzDate(zone[21:27], now.AddDate(100-pivotYears, 0, 0))
	surname, given, _ := strings.Cut(lines[0][5:], "<<")
	name := strings.TrimSpace(
		strings.ReplaceAll(given, mrzFiller, " ") + " " + strings.ReplaceAll(surname, mrzFiller, " "),
	)
	parsed, err := ParseName(name)
	d := Document{
		Kind: KindPassport, Country: strings.TrimRight(zone[10:13], mrzFiller), Name: parsed,
		Number: strings.TrimRight(zone[0:9], mrzFiller), BirthOn: birth, ExpiresOn: expires,
	}
	if err != nil || !ok || !fine || strings.Trim(d.Number, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return Document{}, bad
	}
	return d, nil
}

// isEmptyOptional reports an optional part without anything, whose check digit may be a filler.
func isEmptyOptional(zone string) bool {
	return strings.Trim(zone[28:42], mrzFiller) == "" && zone[42] == mrzFiller[0]
}

// mrzCheck returns the check digit of a part: weights 7, 3, 1, letters from A = 10, the filler 0.
func mrzCheck(part string) byte {
	weights := [...]int{7, 3, 1}
	sum := 0
	for i := range len(part) {
		value := 0
		switch c := part[i]; {
		case c >= '0' && c <= '9':
			value = int(c - '0')
		case c >= 'A' && c <= 'Z':
			value = int(c-'A') + 10
		}
		sum += value * weights[i%len(weights)]
	}
	return byte('0' + sum%10)
}

// mrzDate reads YYMMDD as the last such day that is not after latest.
func mrzDate(part string, latest time.Time) (clock.Date, bool) {
	const century = 100
	day, err := time.Parse("20060102", latest.Format("2006")[:2]+part)
	if err == nil && day.After(latest) {
		day, err = time.Parse("20060102", latest.AddDate(-century, 0, 0).Format("2006")[:2]+part)
	}
	if err != nil {
		return "", false
	}
	return clock.Date(day.Format(time.DateOnly)), true
}
