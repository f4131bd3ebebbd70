package job

import (
	"strings"
	"unicode/utf8"
)

const (
	errorLengthMax = 500
	digitsMax      = 8  // more digits in a row may be a PAN, a phone or an account number
	wordMax        = 32 // our ids are shorter; a longer word may be a key
)

// mask makes an error's text fit to be stored: long numbers keep their last four digits, long words and
// passwords in URLs go, and the text is cut to 500 bytes.
func mask(text string) string {
	text = hideUserInfo(strings.ToValidUTF8(text, "?"))
	var out strings.Builder
	for len(text) > 0 {
		n := wordLength(text)
		if n == 0 {
			_, n = utf8.DecodeRuneInString(text)
			out.WriteString(text[:n])
		} else {
			out.WriteString(maskWord(text[:n], text[n:]))
		}
		text = text[n:]
	}
	masked := out.String()
	if len(masked) <= errorLengthMax {
		return masked
	}
	cut := errorLengthMax
	for !utf8.RuneStart(masked[cut]) {
		cut--
	}
	return masked[:cut]
}

// hideUserInfo takes name and password out of URLs (RFC 3986 §3.2.1).
func hideUserInfo(text string) string {
	before, rest, found := strings.Cut(text, "://")
	if !found {
		return text
	}
	end := strings.IndexAny(rest, "/?# \"")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if at < 0 {
		return before + "://" + hideUserInfo(rest)
	}
	return before + "://***" + rest[at:end] + hideUserInfo(rest[end:])
}

// wordLength returns the length of the word that text starts with; digit groups apart by one space
// or hyphen are one word.
func wordLength(text string) int {
	n, digits := 0, true
	for n < len(text) {
		c := text[n]
		switch {
		case isDigit(c), c == '_' || c == '=' || c == '+', c|0x20 >= 'a' && c|0x20 <= 'z':
			digits = digits && isDigit(c)
		case (c == ' ' || c == '-') && digits && n > 0 && n+1 < len(text) && isDigit(text[n+1]):
		case c == '-' && n > 0:
		default:
			return n
		}
		n++
	}
	return n
}

func maskWord(word, rest string) string {
	digits, longest, run := 0, 0, 0
	pure := true
	for i := range len(word) {
		switch c := word[i]; {
		case isDigit(c):
			digits++
			run++
			longest = max(longest, run)
		case c == ' ' || c == '-':
		default:
			pure, run = false, 0
		}
	}
	switch {
	case strings.HasPrefix(rest, "@"), len(word) > wordMax && !pure:
		return "***"
	case longest > digitsMax && pure:
		compact := strings.NewReplacer(" ", "", "-", "").Replace(word)
		return "***" + compact[digits-4:]
	case longest > digitsMax:
		return "***"
	}
	return word
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
