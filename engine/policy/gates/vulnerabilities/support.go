package vulnerabilities

import (
	"context"
	"fmt"

	"plimsoll/engine/lifecycle"
	"plimsoll/engine/policy"
)

var unsupportedDistro = policy.Trigger{
	Name: "unsupported_distro",
	Doc: "Fires when the release of the image's distribution gets no security fixes any more, as endoflife.date publishes it. " +
		"A release nobody publishes a date of does not fire.",
	ID: "Hash of the distribution's product and release.",
	Params: []policy.Param{{Name: "allow_extended_support", Type: policy.Boolean, Example: "true",
		Doc: "If true, a release counts as supported while fixes can be had for money or on request. Default: false."}},
	Prepare: func(args policy.Args) (policy.Check, error) {
		extended := args.Bool("allow_extended_support")
		return func(ctx context.Context, pass *policy.Pass) error { return checkSupport(ctx, pass, extended) }, nil
	},
}

func checkSupport(ctx context.Context, pass *policy.Pass, allowExtended bool) error {
	known, err := pass.Lifecycle(ctx)
	if err != nil || known == nil {
		return err
	}
	pass.Recheck(lifecycle.Changes(*known, pass.Now))
	state := lifecycle.At(*known, pass.Now)
	if state == lifecycle.Supported || state == lifecycle.Extended && allowExtended {
		return nil
	}
	message := fmt.Sprintf("%s %s gets no security fixes any more", known.Product, known.Cycle)
	if state == lifecycle.Extended {
		message = fmt.Sprintf("%s %s gets security fixes by extended support only", known.Product, known.Cycle)
	}
	if known.EndOfLife != nil {
		message += ", since " + known.EndOfLife.Format("2006-01-02")
	}
	return pass.Report(message, known.Product, known.Cycle)
}
