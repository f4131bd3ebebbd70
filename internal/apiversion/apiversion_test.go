package apiversion_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/feiqian/feiqian/internal/apiversion"
)

// TestVersions holds that versions are dates in order.
func TestVersions(t *testing.T) {
	t.Parallel()
	all := apiversion.Versions()
	if !slices.IsSorted(all) || all[len(all)-1] != apiversion.Newest() || apiversion.Known("2026-11-24") {
		t.Error(all)
	}
}

// TestBack writes newer forms as the first version had them.
func TestBack(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ newest, oldest string }{
		"Link": {
			`{"id":"plk_1","currency":"CNY","uses":1}`, `{"amount":0,"currency":"CNY","id":"plk_1","uses":1,"uses_max":0}`,
		},
		"Known":    {`{"id":"plk_1","amount":5,"uses_max":2}`, `{"amount":5,"id":"plk_1","uses_max":2}`},
		"Page":     {`{"data":[{"id":"qrc_1"}],"has_more":false}`, `{"data":[{"amount":0,"id":"qrc_1"}],"has_more":false}`},
		"Rule":     {`{"id":"spr_1","splits":[{"bps":1}]}`, `{"id":"spr_1","splits":[{"amount":0,"bps":1}]}`},
		"Event":    {`{"id":"evt_1","data":{"id":"plk_1","amount":1}}`, `{"data":{"amount":1,"id":"plk_1","uses_max":0},"id":"evt_1"}`},
		"Metadata": {`{"id":"pay_1","metadata":{"id":"plk_1"}}`, `{"id":"pay_1","metadata":{"id":"plk_1"}}`},
		"Number":   {`{"id":"pay_1","amount":9007199254740991}`, `{"amount":9007199254740991,"id":"pay_1"}`},
		"Text":     {`{"id":"pay_1","description":"<茶>&"}`, `{"description":"<茶>&","id":"pay_1"}`},
	} {
		got, err := apiversion.Back([]byte(test.newest), "2026-11-23")
		if err != nil || string(got) != test.oldest {
			t.Errorf("%s: %s %v", name, got, err)
		}
		if same, err := apiversion.Back([]byte(test.newest), apiversion.Newest()); err != nil || string(same) != test.newest {
			t.Errorf("%s, newest: %s %v", name, same, err)
		}
	}
	if _, err := apiversion.Back([]byte("<svg>"), "2026-11-23"); !errors.Is(err, apiversion.ErrNotJSON) {
		t.Error(err)
	}
}
