package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"
	"google.golang.org/protobuf/types/known/durationpb"

	"plimsoll/internal/log"
	"plimsoll/workflows"
)

// historyRetention is how long a finished workflow stays readable in Temporal,
// when the namespace is made here.
const historyRetention = 7 * 24 * time.Hour

// namespaceDelay bounds how long a new namespace may take to be known
// everywhere; servers refresh their list every ten seconds or so.
const (
	namespaceDelay = time.Minute
	namespacePoll  = time.Second
)

// searchAttributes are the fields by which people find workflows.
var searchAttributes = map[string]enums.IndexedValueType{
	workflows.AttributeAccount:     enums.INDEXED_VALUE_TYPE_KEYWORD,
	workflows.AttributeImageDigest: enums.INDEXED_VALUE_TYPE_KEYWORD,
}

// prepareTemporal makes sure that the namespace exists and knows our search
// attributes. A service that leaves this to its own console (Temporal Cloud)
// refuses; that is logged, since the names may well be there already.
func prepareTemporal(ctx context.Context, cfg Temporal, c client.Client) error {
	err := registerNamespace(ctx, cfg.Namespace, c)
	if err == nil {
		err = registerAttributes(ctx, cfg.Namespace, c)
	}
	var denied *serviceerror.PermissionDenied
	var unknown *serviceerror.Unimplemented
	if errors.As(err, &denied) || errors.As(err, &unknown) {
		log.From(ctx).Warn("namespace and search attributes are left to the operator of Temporal", zap.Error(err))
		return nil
	}
	return err
}

func registerNamespace(ctx context.Context, namespace string, c client.Client) error {
	service := c.WorkflowService()
	_, err := service.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	var missing *serviceerror.NamespaceNotFound
	if !errors.As(err, &missing) {
		return wrapTemporal(err, "look for namespace "+namespace)
	}
	_, err = service.RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace: namespace, Description: "Plimsoll",
		WorkflowExecutionRetentionPeriod: durationpb.New(historyRetention),
	})
	var exists *serviceerror.NamespaceAlreadyExists
	if errors.As(err, &exists) {
		return nil
	}
	return wrapTemporal(err, "register namespace "+namespace)
}

func registerAttributes(ctx context.Context, namespace string, c client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, namespaceDelay)
	defer cancel()
	operator := c.OperatorService()
	known, err := listAttributes(ctx, namespace, operator)
	if err != nil {
		return wrapTemporal(err, "list search attributes")
	}
	missing := map[string]enums.IndexedValueType{}
	for name, kind := range searchAttributes {
		if _, ok := known.GetCustomAttributes()[name]; !ok {
			missing[name] = kind
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: missing})
	return wrapTemporal(err, "add search attributes")
}

// listAttributes asks until every host of the service has heard of a namespace
// that was just registered.
func listAttributes(ctx context.Context, namespace string, operator operatorservice.OperatorServiceClient) (*operatorservice.ListSearchAttributesResponse, error) {
	tick := time.NewTicker(namespacePoll)
	defer tick.Stop()
	for {
		known, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
		var missing *serviceerror.NamespaceNotFound
		if !errors.As(err, &missing) {
			return known, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-tick.C:
		}
	}
}

func wrapTemporal(err error, attempted string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s in Temporal: %w", attempted, err)
}
