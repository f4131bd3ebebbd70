package auth

import (
	_ "embed"
	"slices"
	"strings"
	"time"
)

// commonPasswords are passwords that guessers try first, in lower case and in order, one a line: words, names, keyboard
// walks and Chinese favourites that published lists of leaked passwords have at their top, with the endings that people
// give them. No network is asked.
//
//go:embed common_passwords.txt
var commonPasswords string

// common reports whether a guesser would try a password early: it is in the list, whatever its case, or a date of eight
// digits.
func common(password string) bool {
	lower := strings.ToLower(password)
	if _, found := slices.BinarySearch(strings.Split(strings.TrimSuffix(commonPasswords, "\n"), "\n"), lower); found {
		return true
	}
	for _, form := range []string{"20060102", "02012006", "01022006"} {
		if date, err := time.Parse(form, lower); err == nil && date.Year() > 1900 && date.Year() < 2100 {
			return true
		}
	}
	return false
}
