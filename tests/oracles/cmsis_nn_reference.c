/* Written for hwsim's tests: the documented arithmetic of the functions, in plain loops. It is not CMSIS-NN. */
#include "arm_nnfunctions.h"

#include <stddef.h>

/* Double rounding: half up of the doubled high product, then half away from zero of the right shift. */
static int32_t requantize(int32_t acc, int32_t multiplier, int32_t shift)
{
    const int64_t left = shift > 0 ? (int64_t)acc * ((int64_t)1 << shift) : acc;
    const int64_t product = left * multiplier + ((int64_t)1 << 30);
    const int64_t unit = (int64_t)1 << 31, high = (product - ((product % unit) + unit) % unit) / unit;
    const int64_t d = (int64_t)1 << (shift < 0 ? -shift : 0);
    const int64_t away = high < 0 ? -((-high + d / 2) / d) : (high + d / 2) / d;
    return (int32_t)away;
}

static int8_t finish(int32_t acc, int32_t multiplier, int32_t shift, int32_t offset, cmsis_nn_activation a)
{
    const int32_t v = requantize(acc, multiplier, shift) + offset;
    return (int8_t)(v < a.min ? a.min : v > a.max ? a.max : v);
}

/* The scratch must be there, and is written all over, as optimised kernels do. */
static int spoil(const cmsis_nn_context *ctx, int32_t size)
{
    if (ctx == NULL || ctx->buf == NULL || ctx->size < size)
        return 0;
    for (int32_t i = 0; i < size; i++)
        ((uint8_t *)ctx->buf)[i] = 0xa5;
    return 1;
}

int32_t arm_convolve_wrapper_s8_get_buffer_size(const cmsis_nn_conv_params *p, const cmsis_nn_dims *input,
                                                const cmsis_nn_dims *filter, const cmsis_nn_dims *output)
{
    (void)p, (void)output;
    return 4 * input->c * filter->w * filter->h;
}

int32_t arm_depthwise_conv_wrapper_s8_get_buffer_size(const cmsis_nn_dw_conv_params *p, const cmsis_nn_dims *input,
                                                      const cmsis_nn_dims *filter, const cmsis_nn_dims *output)
{
    (void)p, (void)output;
    return 2 * input->c * filter->w * filter->h;
}

arm_cmsis_nn_status arm_convolve_wrapper_s8(const cmsis_nn_context *ctx, const cmsis_nn_conv_params *p,
                                            const cmsis_nn_per_channel_quant_params *q, const cmsis_nn_dims *input,
                                            const int8_t *x, const cmsis_nn_dims *filter, const int8_t *w,
                                            const cmsis_nn_dims *bias_dims, const int32_t *bias,
                                            const cmsis_nn_dims *output, int8_t *y)
{
    if (!spoil(ctx, arm_convolve_wrapper_s8_get_buffer_size(p, input, filter, output)) || filter->c != input->c
        || filter->n != output->c || bias_dims->c != output->c)
        return ARM_CMSIS_NN_ARG_ERROR;
    for (int32_t i = 0; i < output->h; i++)
        for (int32_t j = 0; j < output->w; j++)
            for (int32_t o = 0; o < output->c; o++) {
                int32_t acc = bias[o];
                for (int32_t a = 0; a < filter->h; a++)
                    for (int32_t b = 0; b < filter->w; b++) {
                        const int32_t ih = i * p->stride.h - p->padding.h + a * p->dilation.h;
                        const int32_t iw = j * p->stride.w - p->padding.w + b * p->dilation.w;
                        if (ih < 0 || iw < 0 || ih >= input->h || iw >= input->w)
                            continue;
                        for (int32_t c = 0; c < input->c; c++)
                            acc += (x[(ih * input->w + iw) * input->c + c] + p->input_offset)
                                   * w[((o * filter->h + a) * filter->w + b) * filter->c + c];
                    }
                y[(i * output->w + j) * output->c + o] =
                    finish(acc, q->multiplier[o], q->shift[o], p->output_offset, p->activation);
            }
    return ARM_CMSIS_NN_SUCCESS;
}

arm_cmsis_nn_status arm_depthwise_conv_wrapper_s8(const cmsis_nn_context *ctx, const cmsis_nn_dw_conv_params *p,
                                                  const cmsis_nn_per_channel_quant_params *q,
                                                  const cmsis_nn_dims *input, const int8_t *x,
                                                  const cmsis_nn_dims *filter, const int8_t *w,
                                                  const cmsis_nn_dims *bias_dims, const int32_t *bias,
                                                  const cmsis_nn_dims *output, int8_t *y)
{
    if (!spoil(ctx, arm_depthwise_conv_wrapper_s8_get_buffer_size(p, input, filter, output))
        || p->ch_mult * input->c != output->c || filter->c != output->c || bias_dims->c != output->c)
        return ARM_CMSIS_NN_ARG_ERROR;
    for (int32_t i = 0; i < output->h; i++)
        for (int32_t j = 0; j < output->w; j++)
            for (int32_t o = 0; o < output->c; o++) {
                int32_t acc = bias[o];
                for (int32_t a = 0; a < filter->h; a++)
                    for (int32_t b = 0; b < filter->w; b++) {
                        const int32_t ih = i * p->stride.h - p->padding.h + a * p->dilation.h;
                        const int32_t iw = j * p->stride.w - p->padding.w + b * p->dilation.w;
                        if (ih >= 0 && iw >= 0 && ih < input->h && iw < input->w)
                            acc += (x[(ih * input->w + iw) * input->c + o / p->ch_mult] + p->input_offset)
                                   * w[(a * filter->w + b) * filter->c + o];
                    }
                y[(i * output->w + j) * output->c + o] =
                    finish(acc, q->multiplier[o], q->shift[o], p->output_offset, p->activation);
            }
    return ARM_CMSIS_NN_SUCCESS;
}

/* With Helium the bias comes from the context: offset * (sum of weights) + bias. */
static int32_t start_of(const cmsis_nn_context *ctx, const int32_t *bias, int32_t o)
{
    return USE_SUMS ? ((const int32_t *)ctx->buf)[o] : bias[o];
}

static arm_cmsis_nn_status connect(const cmsis_nn_context *ctx, const cmsis_nn_fc_params *p, const int32_t *multiplier,
                                   const int32_t *shift, int32_t step, const cmsis_nn_dims *input, const int8_t *x,
                                   const cmsis_nn_dims *filter, const int8_t *w, const int32_t *bias,
                                   const cmsis_nn_dims *output, int8_t *y)
{
    const int32_t depth = filter->n, units = output->c;
    if (ctx->buf == NULL || filter->c != units || input->n != output->n || p->filter_offset != 0)
        return ARM_CMSIS_NN_ARG_ERROR;
    for (int32_t n = 0; n < input->n; n++)
        for (int32_t o = 0; o < units; o++) {
            int32_t acc = start_of(ctx, bias, o);
            for (int32_t k = 0; k < depth; k++)
                acc += (x[n * depth + k] + (USE_SUMS ? 0 : p->input_offset)) * w[o * depth + k];
            y[n * units + o] = finish(acc, multiplier[o * step], shift[o * step], p->output_offset, p->activation);
        }
    return ARM_CMSIS_NN_SUCCESS;
}

arm_cmsis_nn_status arm_fully_connected_s8(const cmsis_nn_context *ctx, const cmsis_nn_fc_params *p,
                                           const cmsis_nn_per_tensor_quant_params *q, const cmsis_nn_dims *input,
                                           const int8_t *x, const cmsis_nn_dims *filter, const int8_t *w,
                                           const cmsis_nn_dims *bias_dims, const int32_t *bias,
                                           const cmsis_nn_dims *output, int8_t *y)
{
    (void)bias_dims;
    return connect(ctx, p, &q->multiplier, &q->shift, 0, input, x, filter, w, bias, output, y);
}

arm_cmsis_nn_status arm_fully_connected_per_channel_s8(const cmsis_nn_context *ctx, const cmsis_nn_fc_params *p,
                                                       const cmsis_nn_per_channel_quant_params *q,
                                                       const cmsis_nn_dims *input, const int8_t *x,
                                                       const cmsis_nn_dims *filter, const int8_t *w,
                                                       const cmsis_nn_dims *bias_dims, const int32_t *bias,
                                                       const cmsis_nn_dims *output, int8_t *y)
{
    (void)bias_dims;
    return connect(ctx, p, q->multiplier, q->shift, 1, input, x, filter, w, bias, output, y);
}

arm_cmsis_nn_status arm_max_pool_s8(const cmsis_nn_context *ctx, const cmsis_nn_pool_params *p,
                                    const cmsis_nn_dims *input, const int8_t *x, const cmsis_nn_dims *filter,
                                    const cmsis_nn_dims *output, int8_t *y)
{
    (void)ctx;
    for (int32_t i = 0; i < output->h; i++)
        for (int32_t j = 0; j < output->w; j++)
            for (int32_t c = 0; c < output->c; c++) {
                int32_t best = -128;
                for (int32_t a = 0; a < filter->h; a++)
                    for (int32_t b = 0; b < filter->w; b++) {
                        const int32_t ih = i * p->stride.h - p->padding.h + a;
                        const int32_t iw = j * p->stride.w - p->padding.w + b;
                        const int inside = ih >= 0 && iw >= 0 && ih < input->h && iw < input->w;
                        if (inside && x[(ih * input->w + iw) * input->c + c] > best)
                            best = x[(ih * input->w + iw) * input->c + c];
                    }
                best = best < p->activation.min ? p->activation.min : best;
                y[(i * output->w + j) * output->c + c] = (int8_t)(best > p->activation.max ? p->activation.max : best);
            }
    return ARM_CMSIS_NN_SUCCESS;
}
