package party

import (
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
)

const (
	residentLength = 18
	residentBirth  = 6  // where the date of birth begins
	residentSex    = 16 // odd for men, GB 11643
)

// ResidentID is a resident identity number, GB 11643, with what it says itself.
type ResidentID struct {
	Number  string // 18 characters
	Area    string // six digits of the place of first registration
	BirthOn clock.Date
	Male    bool
}

// ParseResidentID reads 18 characters of a resident identity number; a lower-case x is one. It checks form, province,
// calendar and check character, not the age. The number of 15 digits of the first generation is no longer valid (since
// 2013) and is refused. Errors: party.bad_resident_id, which does
// not show the number.
func ParseResidentID(text string) (ResidentID, error) {
	bad := fault.New(fault.Invalid, "party.bad_resident_id", "this is not a resident identity number").
		WithHint("it has 18 characters, the last one a digit or X")
	number := strings.ToUpper(text)
	if len(number) != residentLength || strings.Trim(number[:residentLength-1], "0123456789") != "" {
		return ResidentID{}, bad
	}
	if number[residentLength-1] != residentCheck(number) || !strings.Contains(provinces, " "+number[:2]+" ") {
		return ResidentID{}, bad
	}
	birth, err := time.Parse("20060102", number[residentBirth:residentBirth+8])
	if err != nil || birth.Year() < 1 {
		return ResidentID{}, bad
	}
	return ResidentID{
		Number: number, Area: number[:residentBirth], BirthOn: clock.Date(birth.Format(time.DateOnly)),
		Male: (number[residentSex]-'0')%2 == 1,
	}, nil
}

// provinces are the first two digits of GB/T 2260, with 83 for residents' permits of Taiwan.
const provinces = " 11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54" +
	" 61 62 63 64 65 71 81 82 83 "

// residentCheck returns the check character of the first 17 digits: ISO 7064 MOD 11-2, as GB 11643 has it.
func residentCheck(number string) byte {
	weights := [...]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}
	sum := 0
	for i, weight := range weights {
		sum += int(number[i]-'0') * weight
	}
	const remainders = "10X98765432"
	return remainders[sum%len(remainders)]
}
