package issuer

import "fmt"

// SeedCards returns the cards of a new sandbox. The people are made up, as the sandbox bank's are; each of the first
// three has a debit card and a credit card, and the first one a debit card for each line of MagicNumbers.
func SeedCards() []Card {
	var cards []Card
	for i, person := range []Card{
		{Holder: "张伟", Document: "110101199003070039", Phone: "+8613800000001"},
		{Holder: "王芳", Document: "31010119880214002X", Phone: "+8613800000002"},
		{Holder: "李娜", Document: "440106199512110048", Phone: "+8613800000003"},
	} {
		person.Document = withCheck(person.Document[:17])
		debit, credit := person, person
		debit.Number = Number(NumberForm{Prefix: "622202", Length: 19, Serial: i + 1})
		credit.Number = Number(NumberForm{Prefix: "622575", Length: 16, Serial: i + 1})
		credit.ExpiresOn = "2035-12"
		cards = append(cards, debit, credit)
		if i > 0 {
			continue
		}
		for _, magic := range MagicNumbers() {
			faulty := person
			faulty.Number = Number(NumberForm{Prefix: "622848", Length: 19, Serial: i + 1, Magic: magic.Digits})
			cards = append(cards, faulty)
		}
	}
	return cards
}

// withCheck appends the check character of a resident's number (GB 11643-1999).
func withCheck(body string) string {
	weights := [...]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}
	sum := 0
	for i, w := range weights {
		sum += w * int(body[i]-'0')
	}
	return fmt.Sprintf("%s%c", body, "10X98765432"[sum%11])
}
