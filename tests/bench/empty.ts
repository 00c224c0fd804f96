/**
 * Nothing: what remains of a start is the runtime's.
 *
 * @module
 */
