package feiqian

import (
	"context"
	"iter"
	"net/http"
)

// What reviews and lists of refunds take, by shorter names than the generated ones.
type (
	// RefundFilter narrows a list of refunds; the zero value is all.
	RefundFilter = ListAllRefundsParams
	// RefundApproval lets a refund that waits for you go through.
	RefundApproval = ApproveRefundBody
	// RefundRejection refuses a refund that waits for you.
	RefundRejection = RejectRefundBody
)

// Refunds are all refunds of the merchant's payments, those that wait for a review among them. [Payments.Refund]
// asks for one.
type Refunds struct{ client *Client }

// Get reads a refund. Errors: refund.not_found.
func (r Refunds) Get(ctx context.Context, id string) (*Refund, error) {
	return r.act(ctx, http.MethodGet, id, "", nil, nil)
}

// All goes through all refunds of a filter, newest first. It ends at the first error.
func (r Refunds) All(ctx context.Context, filter RefundFilter) iter.Seq2[Refund, error] {
	return pages(func(cursor string) ([]Refund, string, error) {
		if cursor != "" {
			filter.Cursor = cursor
		}
		var page PageRefund
		if err := r.client.get(ctx, "/v1/refunds", queryOf(filter), &page); err != nil {
			return nil, "", err
		}
		return page.Data, next(page.HasMore, page.NextCursor), nil
	})
}

// Approve lets a refund that waits for the merchant's word go through.
func (r Refunds) Approve(ctx context.Context, id string, word RefundApproval, options ...CallOption) (*Refund, error) {
	return r.act(ctx, http.MethodPost, id, "/approve", word, options)
}

// Reject refuses a refund that waits for the merchant's word; the payer is told the reason.
func (r Refunds) Reject(ctx context.Context, id string, word RefundRejection, options ...CallOption) (*Refund, error) {
	return r.act(ctx, http.MethodPost, id, "/reject", word, options)
}

func (r Refunds) act(
	ctx context.Context, method, id, what string, body any, options []CallOption,
) (*Refund, error) {
	name, err := segment(id)
	if err != nil {
		return nil, err
	}
	var refund Refund
	if err := r.client.send(ctx, method, "/v1/refunds/"+name+what, nil, body, &refund, options...); err != nil {
		return nil, err
	}
	return &refund, nil
}
